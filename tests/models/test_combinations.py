"""Every combination of choices: a batch at once says what the step interface says word by word."""

from __future__ import annotations

import itertools

import pytest
import torch

from seqvise.models.interface import BOS, EOS, PAD, PairBatch, SourceBatch
from seqvise.models.losses import linear_cross_entropy
from seqvise.models.options import RecurrentOptions
from seqvise.models.recurrent import Recurrent

SOURCE, TARGET = 15, 13
CHOICES = list(
    itertools.product(["gru", "lstm"], [(1, 1), (1, 3), (3, 2)], [False, True], ["none", "additive"], [False, True])
)


def build(cell: str, layers: tuple[int, int], bidirectional: bool, attention: str, readout: bool) -> Recurrent:
    torch.manual_seed(0)
    options = RecurrentOptions(
        cell=cell,
        embedding=6,
        encoder_hidden=5,
        encoder_layers=layers[0],
        decoder_hidden=7 if readout else 6,
        decoder_layers=layers[1],
        bidirectional=bidirectional,
        attention=attention,
        attention_activation="relu" if bidirectional else "tanh",
        readout=readout,
    )
    return Recurrent(options, SOURCE, TARGET).eval()


def batch() -> PairBatch:
    source = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 10, EOS, PAD]])
    target = torch.tensor([[4, 5, EOS], [6, EOS, PAD], [7, 8, EOS]])
    return PairBatch(SourceBatch(source, torch.tensor([4, 2, 3])), target, torch.arange(3))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_batches_and_steps_agree(choice: tuple[str, tuple[int, int], bool, str, bool]) -> None:
    model, pairs = build(*choice), batch()
    at_once = model.generator(model(pairs))
    memory = model.encode(pairs.source)
    state, words = model.init(memory), torch.full((3,), BOS)
    for t in range(3):
        stepped = model.step(words, state, memory)
        torch.testing.assert_close(stepped.logits, at_once[:, t], rtol=1e-4, atol=1e-5)
        state, words = stepped.state, pairs.target[:, t]


@pytest.mark.parametrize("choice", CHOICES[:: len(CHOICES) // 8], ids=str)
def test_reordered_rows_go_on_as_they_would_have(choice: tuple[str, tuple[int, int], bool, str, bool]) -> None:
    model, pairs = build(*choice), batch()
    memory = model.encode(pairs.source)
    words = torch.tensor([4, 5, 6])
    state = model.step(torch.full((3,), BOS), model.init(memory), memory).state
    rows = torch.tensor([2, 0, 2])
    expected = model.step(words, state, memory).logits[rows]
    torch.testing.assert_close(model.step(words[rows], *model.reorder(state, memory, rows)).logits, expected)


@pytest.mark.parametrize("attention", ["none", "additive"])
def test_padding_changes_nothing(attention: str) -> None:
    model, pairs = build("gru", (2, 2), True, attention, False), batch()
    wider = torch.nn.functional.pad(pairs.source.ids, (0, 5), value=PAD)
    padded = PairBatch(SourceBatch(wider, pairs.source.lengths), pairs.target, pairs.rows)
    torch.testing.assert_close(model(padded), model(pairs))


def test_dropout_acts_in_training_alone() -> None:
    model, pairs = build("gru", (2, 2), False, "additive", False), batch()
    assert torch.equal(model(pairs), model(pairs))
    model.train()
    assert not torch.equal(model(pairs), model(pairs))
    model.options.dropout.scale = 0.0
    assert torch.equal(model(pairs), model(pairs))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_half_precision_autocast_trains(cell: str) -> None:
    model, pairs = build(cell, (2, 2), True, "none", False), batch()
    exact = model(pairs).sum()
    expected = torch.autograd.grad(exact, model.bridge.weight)[0]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(pairs)
        near = linear_cross_entropy(outputs[:, 0], model.generator.weight, model.generator.bias, pairs.target[:, 0])
        total = outputs.sum()
    near.backward(retain_graph=True)
    assert model.encoder.embedding.weight.grad is not None
    found = torch.autograd.grad(total, model.bridge.weight)[0]
    assert torch.nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.99
