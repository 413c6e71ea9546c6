"""A stack of layers against the library's layers and the formulas between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from seqvise.models.interface import SourceBatch
from seqvise.models.kernels.step_linear import plain_product
from seqvise.models.recurrent.encoder import RecurrentEncoder
from seqvise.models.recurrent.layers import LAYERS, ResidualNorm, joints, run_fused
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_layer_runs_and_steps_like_the_library(cell: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[cell](5, 4)
    inputs, state = torch.randn(3, 6, 5), layer.start(torch.randn(3, 4))
    given = state[0].unsqueeze(0) if cell == "gru" else (state[0].unsqueeze(0), state[1].unsqueeze(0))
    expected = layer(inputs, given)[0]
    torch.testing.assert_close(layer.run(inputs, state), expected)
    bound = layer.bind(plain_product, layer.recurrent(0.0))
    for t in range(6):
        state = bound.step(inputs[:, t], state)
        torch.testing.assert_close(state[0], expected[:, t])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_librarys_kernel_takes_a_dropped_weight(cell: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[cell](5, 4)
    inputs, state, weight = torch.randn(3, 6, 5), layer.start(torch.randn(3, 4)), layer.recurrent(0.5)
    whole, begin = layer.weight_hh_l0.clone(), state[0].unsqueeze(0)
    found = run_fused(layer, inputs, begin if cell == "gru" else (begin, begin), weight)
    torch.testing.assert_close(found, layer.run(inputs, state, weight))
    assert torch.equal(layer.weight_hh_l0, whole)
    gradient = torch.autograd.grad(found.square().sum(), layer.weight_hh_l0)[0]
    assert torch.equal(gradient == 0, weight == 0)


def test_a_joint_by_hand() -> None:
    output, given = torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])
    assert ResidualNorm(2, False, False)(output, given).tolist() == [[1.0, 3.0]]
    assert ResidualNorm(2, True, False)(output, given).tolist() == [[2.0, 4.0]]
    # Mean 3, deviation 1: two numbers normalise to -1 and 1.
    torch.testing.assert_close(
        ResidualNorm(2, True, True)(output, given), torch.tensor([[-1.0, 1.0]]), rtol=0, atol=1e-4
    )


def test_residual_connections_span_later_layers_of_one_width() -> None:
    found = joints([(4, 4), (4, 8), (8, 8)], True, False)
    assert [joint.combine is torch.add for joint in found] == [False, False, True]


def encoder_of(**choices: Any) -> tuple[RecurrentEncoder, SourceBatch]:
    torch.manual_seed(2)
    options = RecurrentOptions(embedding=6, encoder_hidden=4, dropout=DropoutOptions(scale=0.0), **choices)
    return RecurrentEncoder(options, 15), SourceBatch(torch.randint(4, 15, (2, 5)), torch.tensor([5, 5]))


def test_an_encoder_with_residual_connections_and_norms_is_the_formula() -> None:
    encoder, source = encoder_of(encoder_layers=3, residual=True, layer_norm=True)
    first, second, third = encoder.forwards
    one = F.layer_norm(first(encoder.embedding(source.ids))[0], (4,))
    two = F.layer_norm(second(one)[0] + one, (4,))
    three = F.layer_norm(third(two)[0] + two, (4,))
    found = encoder(source)
    torch.testing.assert_close(found.outputs, three)
    torch.testing.assert_close(found.finals[2], third(two)[0][:, -1])


def test_the_first_layer_alone_reads_both_ways() -> None:
    encoder, source = encoder_of(encoder_layers=2, bidirectional="first")
    (backward,) = encoder.backwards
    embedded = encoder.embedding(source.ids)
    ahead, back = encoder.forwards[0](embedded)[0], backward(embedded.flip(1))[0].flip(1)
    found = encoder(source)
    torch.testing.assert_close(found.outputs, encoder.forwards[1](torch.cat([ahead, back], 2))[0])
    torch.testing.assert_close(found.finals[0], torch.cat([ahead[:, -1], back[:, 0]], 1))
    assert (encoder.output_size, encoder.final_sizes) == (4, [8, 4])
