"""Recurrent layers and the encoder against torch's layers and the formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from seqvise.models.interface import SourceBatch
from seqvise.models.kernels.step_linear import plain_product
from seqvise.models.recurrent.encoder import RecurrentEncoder
from seqvise.models.recurrent.layers import LAYERS, ResidualNorm, residual_norms, run_fused
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_layer_runs_and_steps_like_torch(cell: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[cell](5, 4)
    inputs, state = torch.randn(3, 6, 5), layer.start(torch.randn(3, 4))
    initial = state[0].unsqueeze(0) if cell == "gru" else (state[0].unsqueeze(0), state[1].unsqueeze(0))
    expected = layer(inputs, initial)[0]
    torch.testing.assert_close(layer.run(inputs, state), expected)
    bound = layer.bind(plain_product, layer.recurrent_weight(0.0))
    for t in range(6):
        state = bound.step(inputs[:, t], state)
        torch.testing.assert_close(state[0], expected[:, t])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_fused_kernel_accepts_a_weight_with_dropout(cell: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[cell](5, 4)
    inputs, state, weight = torch.randn(3, 6, 5), layer.start(torch.randn(3, 4)), layer.recurrent_weight(0.5)
    parameter, hidden = layer.weight_hh_l0.clone(), state[0].unsqueeze(0)
    outputs = run_fused(layer, inputs, hidden if cell == "gru" else (hidden, hidden), weight)
    torch.testing.assert_close(outputs, layer.run(inputs, state, weight))
    assert torch.equal(layer.weight_hh_l0, parameter)
    gradient = torch.autograd.grad(outputs.square().sum(), layer.weight_hh_l0)[0]
    assert torch.equal(gradient == 0, weight == 0)


def test_residual_norm_by_hand() -> None:
    output, inputs = torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])
    assert ResidualNorm(2, False, False)(output, inputs).tolist() == [[1.0, 3.0]]
    assert ResidualNorm(2, True, False)(output, inputs).tolist() == [[2.0, 4.0]]
    # Mean 3, standard deviation 1: the numbers 2 and 4 normalise to -1 and 1.
    torch.testing.assert_close(
        ResidualNorm(2, True, True)(output, inputs), torch.tensor([[-1.0, 1.0]]), rtol=0, atol=1e-4
    )


def test_residual_connections_span_later_layers_of_one_width() -> None:
    modules = residual_norms([(4, 4), (4, 8), (8, 8)], True, False)
    assert [module.combine is torch.add for module in modules] == [False, False, True]


def encoder_of(**choices: Any) -> tuple[RecurrentEncoder, SourceBatch]:
    torch.manual_seed(2)
    options = RecurrentOptions(embedding=6, encoder_hidden=4, dropout=DropoutOptions(scale=0.0), **choices)
    return RecurrentEncoder(options, 15), SourceBatch(torch.randint(4, 15, (2, 5)), torch.tensor([5, 5]))


def test_an_encoder_with_residual_connections_and_norms_equals_the_formula() -> None:
    encoder, source = encoder_of(encoder_layers=3, residual=True, layer_norm=True)
    first, second, third = encoder.forwards
    outputs1 = F.layer_norm(first(encoder.embedding(source.ids))[0], (4,))
    outputs2 = F.layer_norm(second(outputs1)[0] + outputs1, (4,))
    outputs3 = F.layer_norm(third(outputs2)[0] + outputs2, (4,))
    encoded = encoder(source)
    torch.testing.assert_close(encoded.outputs, outputs3)
    torch.testing.assert_close(encoded.finals[2], third(outputs2)[0][:, -1])


def test_only_the_first_layer_is_bidirectional() -> None:
    encoder, source = encoder_of(encoder_layers=2, bidirectional="first")
    (backward_layer,) = encoder.backwards
    embedded = encoder.embedding(source.ids)
    forward, backward = encoder.forwards[0](embedded)[0], backward_layer(embedded.flip(1))[0].flip(1)
    encoded = encoder(source)
    torch.testing.assert_close(encoded.outputs, encoder.forwards[1](torch.cat([forward, backward], 2))[0])
    torch.testing.assert_close(encoded.finals[0], torch.cat([forward[:, -1], backward[:, 0]], 1))
    assert (encoder.output_size, encoder.final_sizes) == (4, [8, 4])
