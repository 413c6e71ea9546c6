"""Attention after the layers against the equations, computed for one sentence and one step at a time."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.interface import BOS
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from tests.models.test_combinations import batch


def build(feeding: bool, **choices: Any) -> Recurrent:
    torch.manual_seed(4)
    options = RecurrentOptions(
        cell="lstm",
        embedding=6,
        encoder_hidden=4,
        encoder_layers=1,
        decoder_hidden=8,
        decoder_layers=1,
        bidirectional=True,
        attention="general",
        attention_place="after",
        input_feeding=feeding,
        dropout=DropoutOptions(scale=0.0),
        **choices,
    )
    return Recurrent(options, 15, 15)


def attentional_vectors(model: Recurrent, ids: Tensor, inputs: Tensor) -> Tensor:
    """The attentional vectors (T, 6) of one sentence. ids: (S,) without padding, inputs: (T,) decoder input tokens."""
    encoder, decoder = model.encoder, cast(Any, model.decoder)
    embedded = encoder.embedding(ids).unsqueeze(0)
    forward, backward = encoder.forwards[0](embedded)[0], encoder.backwards[0](embedded.flip(1))[0].flip(1)
    memory = torch.cat([forward, backward], 2)[0]  # (S, 8)
    hidden = cell = torch.cat([forward[:, -1], backward[:, 0]], 1) @ model.bridge.weight.t()  # (1, 8)
    layer, fed, outputs = decoder.layers[0], torch.zeros(6), []
    weights = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    for token in inputs:
        layer_input = decoder.embedding.weight[token]
        if model.options.input_feeding:
            layer_input = decoder.mix(torch.cat([layer_input, fed]))
        hidden, cell = torch.lstm_cell(layer_input.unsqueeze(0), (hidden, cell), *weights)
        scores = memory @ decoder.attention.key.weight.t() @ hidden[0]
        context = torch.softmax(scores, 0) @ memory
        fed = torch.tanh(F.linear(torch.cat([hidden[0], context]), decoder.readout.weight, decoder.readout.bias))
        outputs.append(fed)
    return torch.stack(outputs)


@pytest.mark.parametrize("feeding", [False, True])
def test_a_batch_equals_the_equations_of_each_sentence(feeding: bool) -> None:
    model, pairs = build(feeding), batch()
    outputs = model(pairs)
    inputs = F.pad(pairs.target[:, :-1], (1, 0), value=BOS)
    expected = [
        attentional_vectors(model, pairs.source.ids[row, :length], inputs[row])
        for row, length in enumerate(pairs.source.lengths.tolist())
    ]
    torch.testing.assert_close(outputs, torch.stack(expected))
    weights = list(model.parameters())
    grad_outputs = torch.randn_like(outputs)
    gradients = torch.autograd.grad((outputs * grad_outputs).sum(), weights, allow_unused=True)
    expected_gradients = torch.autograd.grad((torch.stack(expected) * grad_outputs).sum(), weights, allow_unused=True)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("feeding", "calls"), [(False, 0), (True, 3)])
def test_a_forced_batch_takes_no_single_steps_without_input_feeding(
    feeding: bool, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pairs = build(feeding), batch()
    advance = Mock(wraps=model.decoder._advance)
    monkeypatch.setattr(model.decoder, "_advance", advance)
    model(pairs)
    assert advance.call_count == calls


def test_a_readout_has_the_word_as_an_input() -> None:
    plain, with_word = (cast(Any, build(False, readout=readout).decoder.readout) for readout in (False, True))
    assert plain.weight.shape == (6, 8 + 8)
    assert with_word.weight.shape == (6, 8 + 8 + 6)
