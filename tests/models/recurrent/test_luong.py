"""Attention after the layers against one sentence and one step at a time, written out."""

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


def one_sentence(model: Recurrent, ids: Tensor, words: Tensor) -> Tensor:
    """The attentional vectors (T, 6) of one sentence. ids: (S,) without padding, words: (T,) as they are read."""
    encoder, decoder = model.encoder, cast(Any, model.decoder)
    embedded = encoder.embedding(ids).unsqueeze(0)
    ahead, back = encoder.forwards[0](embedded)[0], encoder.backwards[0](embedded.flip(1))[0].flip(1)
    memory = torch.cat([ahead, back], 2)[0]  # (S, 8)
    hidden = cell = torch.cat([ahead[:, -1], back[:, 0]], 1) @ model.bridge.weight.t()  # (1, 8)
    layer, fed, outputs = decoder.layers[0], torch.zeros(6), []
    weights = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    for word in words:
        read = decoder.embedding.weight[word]
        if model.options.input_feeding:
            read = decoder.mix(torch.cat([read, fed]))
        hidden, cell = torch.lstm_cell(read.unsqueeze(0), (hidden, cell), *weights)
        scores = memory @ decoder.attention.key.weight.t() @ hidden[0]
        context = torch.softmax(scores, 0) @ memory
        fed = torch.tanh(F.linear(torch.cat([hidden[0], context]), decoder.readout.weight, decoder.readout.bias))
        outputs.append(fed)
    return torch.stack(outputs)


@pytest.mark.parametrize("feeding", [False, True])
def test_a_batch_is_the_equations_of_each_sentence(feeding: bool) -> None:
    model, pairs = build(feeding), batch()
    found = model(pairs)
    words = F.pad(pairs.target[:, :-1], (1, 0), value=BOS)
    alone = [
        one_sentence(model, pairs.source.ids[row, :length], words[row])
        for row, length in enumerate(pairs.source.lengths.tolist())
    ]
    torch.testing.assert_close(found, torch.stack(alone))
    weights = list(model.parameters())
    seen = torch.randn_like(found)
    mine = torch.autograd.grad((found * seen).sum(), weights, allow_unused=True)
    plain = torch.autograd.grad((torch.stack(alone) * seen).sum(), weights, allow_unused=True)
    torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("feeding", "calls"), [(False, 0), (True, 3)])
def test_a_forced_sentence_is_one_call_without_input_feeding(
    feeding: bool, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pairs = build(feeding), batch()
    stepped = Mock(wraps=model.decoder._advance)
    monkeypatch.setattr(model.decoder, "_advance", stepped)
    model(pairs)
    assert stepped.call_count == calls


def test_the_word_is_read_beside_them_with_a_readout() -> None:
    plain, read = (cast(Any, build(False, readout=readout).decoder.readout) for readout in (False, True))
    assert plain.weight.shape == (6, 8 + 8)
    assert read.weight.shape == (6, 8 + 8 + 6)
