"""Every combination of options: a forward pass over a batch equals the step interface, token by token."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqvise.models.interface import BOS, EOS, PAD, PairBatch, SourceBatch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import PLACES, STARTS, RecurrentOptions
from seqvise.models.softmax.chunked import linear_cross_entropy
from seqvise.options import option_errors

SOURCE = TARGET = 15
ATTENTIONS = [("none", "before"), *itertools.product(["additive", "dot", "general"], PLACES)]
DIRECTIONS: list[bool | str] = [False, True, "first"]
ENCODERS = list(itertools.product([(1, 1), (1, 3), (3, 2)], DIRECTIONS, STARTS))
SWITCHES = ("input_feeding", "residual", "layer_norm", "readout")
DECODERS = list(itertools.product(["gru", "lstm"], ATTENTIONS, itertools.product([False, True], repeat=len(SWITCHES))))
Encoder = tuple[tuple[int, int], bool | str, str]


def options_of(cell: str, attention: tuple[str, str], switches: tuple[bool, ...], encoder: Encoder) -> RecurrentOptions:
    """Options with matching sizes. encoder: the layers of both sides, ``bidirectional`` and ``start``."""
    layers, bidirectional, start = encoder
    chosen: dict[str, Any] = dict(zip(SWITCHES, switches, strict=True))
    hidden = 8 if chosen["readout"] or attention[1] == "after" else 6
    top = bidirectional is True or (bidirectional == "first" and layers[0] == 1)
    width = hidden // (2 if top else 1) if attention[0] == "dot" else 5
    return RecurrentOptions(
        cell=cell,
        embedding=6,
        encoder_hidden=width,
        encoder_layers=layers[0],
        decoder_hidden=hidden,
        decoder_layers=layers[1],
        bidirectional=bidirectional,
        start=start,
        attention=attention[0],
        attention_place=attention[1],
        attention_activation="relu" if bidirectional else "tanh",
        share_embeddings=bool(bidirectional),
        **chosen,
    )


def build(**choices: Any) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(RecurrentOptions(**{"embedding": 6, "encoder_hidden": 5, "decoder_hidden": 6, **choices}), 15, 15)


def batch() -> PairBatch:
    source = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 10, EOS, PAD]])
    target = torch.tensor([[4, 5, EOS], [6, EOS, PAD], [7, 8, EOS]])
    return PairBatch(SourceBatch(source, torch.tensor([4, 2, 3])), target, torch.arange(3))


def stepwise(model: Recurrent, pairs: PairBatch, forced: Tensor) -> Tensor:
    """The logits (B, T, V) token by token; inputs are references where ``forced`` (B, T), else predictions."""
    memory = model.encode(pairs.source)
    state, tokens, logits = model.init(memory), torch.full((len(pairs),), BOS), []
    for t in range(pairs.target.shape[1]):
        result = model.step(tokens, state, memory)
        logits.append(result.logits)
        state = result.state
        if t + 1 < pairs.target.shape[1]:
            tokens = torch.where(forced[:, t + 1], pairs.target[:, t], result.logits.argmax(1))
    return torch.stack(logits, 1)


def batches_and_steps_agree(options: RecurrentOptions) -> None:
    assert list(option_errors(options, "model")) == []
    torch.manual_seed(0)
    model, pairs = Recurrent(options, SOURCE, TARGET).eval(), batch()
    all_forced = torch.ones_like(pairs.target, dtype=torch.bool)
    some_forced = torch.tensor([[True, True, False], [False, False, True], [True, True, True]])
    for forced, mask in ((None, all_forced), (some_forced, some_forced)):
        batch_logits = model.generator(model(pairs, forced))
        torch.testing.assert_close(batch_logits, stepwise(model, pairs, mask), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("index", range(len(DECODERS)), ids=lambda index: str(DECODERS[index]))
def test_batches_and_steps_agree(index: int) -> None:
    batches_and_steps_agree(options_of(*DECODERS[index], ENCODERS[index % (len(ENCODERS) - 1)]))


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(["gru", "lstm"]),
    attention=st.sampled_from(ATTENTIONS),
    switches=st.tuples(*[st.booleans()] * len(SWITCHES)),
    encoder=st.sampled_from(ENCODERS),
)
def test_any_encoder_goes_with_any_decoder(
    cell: str, attention: tuple[str, str], switches: tuple[bool, ...], encoder: Encoder
) -> None:
    batches_and_steps_agree(options_of(cell, attention, switches, encoder))


@pytest.mark.parametrize("index", range(0, len(DECODERS), 13))
def test_reordered_rows_continue_unchanged(index: int) -> None:
    options = options_of(*DECODERS[index], ENCODERS[index % len(ENCODERS)])
    model, pairs = Recurrent(options, SOURCE, TARGET).eval(), batch()
    memory = model.encode(pairs.source)
    tokens = torch.tensor([4, 5, 6])
    state = model.step(torch.full((3,), BOS), model.init(memory), memory).state
    rows = torch.tensor([2, 0, 2])
    expected = model.step(tokens, state, memory).logits[rows]
    reordered = model.reorder(state, rows), model.select(memory, rows)
    torch.testing.assert_close(model.step(tokens[rows], *reordered).logits, expected)


@pytest.mark.parametrize("attention", ATTENTIONS, ids=str)
def test_rows_of_a_sentence_share_its_memory(attention: tuple[str, str]) -> None:
    options = options_of("gru", attention, (True, False, False, True), ((2, 2), True, "last"))
    model, pairs = Recurrent(options, SOURCE, TARGET).eval(), batch()
    memory = model.encode(pairs.source)
    twice, tokens = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([4, 5, 6, 7, 8, 9])
    state = model.reorder(model.init(memory), twice)
    expected = model.step(tokens, state, model.select(memory, twice))
    result = model.step(tokens, state, memory)
    torch.testing.assert_close(result.logits, expected.logits)
    torch.testing.assert_close(result.attention, expected.attention)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("attention", ATTENTIONS, ids=str)
def test_padding_changes_nothing(attention: tuple[str, str], start: str) -> None:
    options = options_of("gru", attention, (False, True, True, False), ((2, 2), True, start))
    model, pairs = Recurrent(options, SOURCE, TARGET).eval(), batch()
    wider = torch.nn.functional.pad(pairs.source.ids, (0, 5), value=PAD)
    padded = PairBatch(SourceBatch(wider, pairs.source.lengths), pairs.target, pairs.rows)
    torch.testing.assert_close(model(padded), model(pairs))


def test_dropout_is_active_only_in_training() -> None:
    model, pairs = build(attention="additive").eval(), batch()
    model.options.dropout.words = model.options.dropout.weights = 0.3
    assert torch.equal(model(pairs), model(pairs))
    model.train()
    assert not torch.equal(model(pairs), model(pairs))
    model.options.dropout.scale = 0.0
    assert torch.equal(model(pairs), model(pairs))


@pytest.mark.parametrize("attention", ATTENTIONS, ids=str)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_half_precision_autocast_trains(cell: str, attention: tuple[str, str]) -> None:
    options = options_of(cell, attention, (True, True, True, False), ((2, 2), True, "last"))
    torch.manual_seed(0)
    model, pairs = Recurrent(options, SOURCE, TARGET).eval(), batch()
    exact = model(pairs)
    grad_outputs = torch.randn_like(exact)
    expected = torch.autograd.grad((exact * grad_outputs).sum(), model.bridge.weight)[0]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(pairs)
        loss = linear_cross_entropy(outputs[:, 0], model.generator.weight, model.generator.bias, pairs.target[:, 0])
        total = (outputs * grad_outputs).sum()
    loss.backward(retain_graph=True)
    assert model.encoder.embedding.weight.grad is not None
    gradient = torch.autograd.grad(total, model.bridge.weight)[0]
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.99
