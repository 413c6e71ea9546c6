"""Guarantees of decoding: the same tokens in any batch, and scores and attention that belong to them."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqvise.decoding.decode import decode
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.models.interface import EOS, SourceBatch, StepOutput
from tests.decoding import tiny

STRATEGIES = [
    DecodingOptions(),
    DecodingOptions(beam=5, nbest=3, coverage=0.2, length_penalty="gnmt"),
    DecodingOptions(beam=3, block_ngrams=2),
]


@pytest.mark.parametrize("options", STRATEGIES, ids=["greedy", "beam", "blocking"])
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 50), st.integers(6, 200), st.floats(0.1, 4.0), st.randoms(use_true_random=False))
def test_neither_size_nor_order_of_a_batch_changes_a_token(
    options: DecodingOptions, seed: int, vocab_size: int, sharpness: float, random: Random
) -> None:
    model, sources = tiny.model(vocab_size, seed, sharpness), tiny.random_sources(12, 10, seed)
    together = decode(model, tiny.batch(sources), options)
    order = random.sample(range(12), 12)
    for size in (1, 5):
        for start in range(0, 12, size):
            rows = order[start : start + size]
            part = decode(model, tiny.batch([sources[row] for row in rows]), options)
            for batch_row, row in enumerate(rows):
                tokens_alone = [tiny.words_of(tokens) for tokens in part.tokens[batch_row]]
                assert tokens_alone == [tiny.words_of(tokens) for tokens in together.tokens[row]]


class RoundingModel:
    """Has two nearly equal logits whose order depends on the batch size, as rounding would change it."""

    def encode(self, src: SourceBatch) -> Tensor:
        return src.lengths

    def init(self, memory: Tensor) -> Tensor:
        return torch.zeros_like(memory)

    def step(self, tokens: Tensor, state: Tensor, memory: Tensor) -> StepOutput[Tensor]:
        logits = torch.full((len(tokens), 6), -9.0)
        logits[:, EOS] = (state >= 2).float() * 99
        logits[:, 4] = 1 + 1e-6 * (-1) ** len(memory)
        logits[:, 5] = 1
        return StepOutput(logits, state + 1, None)

    def reorder(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]

    def select(self, memory: Tensor, rows: Tensor) -> Tensor:
        return memory[rows]


@pytest.mark.parametrize("options", [DecodingOptions(), DecodingOptions(beam=2, nbest=2)])
def test_near_ties_are_decoded_again_with_batch_size_1(options: DecodingOptions) -> None:
    results = [decode(RoundingModel(), tiny.batch([[5, EOS]] * size), options) for size in (1, 2, 3)]
    assert results[0].near_tie.all()
    for other in results[1:]:
        assert (other.tokens == results[0].tokens).all()


def test_scores_log_probs_and_attention_belong_to_the_tokens() -> None:
    model, sources = tiny.model(20, 3), tiny.random_sources(6, 7, 3)
    options = DecodingOptions(beam=4, nbest=3, length_penalty="gnmt", alpha=0.6, coverage=0.3)
    nbest = decode(model, tiny.batch(sources), options, attention=True)
    assert nbest.attention is not None
    with torch.no_grad():
        for row, source in enumerate(sources):
            for rank in range(3):
                words = tiny.words_of(nbest.tokens[row, rank])
                log_prob, coverage = tiny.log_prob_of(model, source, words)
                assert float(nbest.log_probs[row, rank]) == pytest.approx(log_prob, abs=1e-3)
                expected = tiny.score_of(log_prob, coverage, len(words), options)
                assert float(nbest.scores[row, rank]) == pytest.approx(expected, abs=1e-3)
                attention = nbest.attention[row, rank]
                assert torch.allclose(attention.sum(0)[: len(source)], coverage, atol=1e-4)
                assert not attention[len(words) :].any()


def test_a_model_without_attention_gives_none() -> None:
    model, src = tiny.model(12, attention="none"), tiny.batch([[5, EOS]])
    assert decode(model, src, DecodingOptions(beam=2), attention=True).attention is None
    with pytest.raises(UserError, match="coverage"):
        decode(model, src, DecodingOptions(beam=2, coverage=0.1))


def test_slots_without_a_hypothesis_are_marked() -> None:
    nbest = decode(tiny.model(4), tiny.batch([[5, EOS]]), DecodingOptions(beam=9, nbest=9, max_length=2))
    assert int((nbest.scores > float("-inf")).sum()) == 3  # <eos>; <unk> <eos>; <unk> <unk>
    assert nbest.lengths()[0].tolist()[3:] == [0] * 6
