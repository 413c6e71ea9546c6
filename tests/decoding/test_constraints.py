"""Constraints on the next word."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.decoding.constraints import Limits, block_repeats, max_lengths, min_lengths
from seqvise.decoding.decode import decode
from seqvise.decoding.greedy import length_limits
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import BOS, EOS, PAD
from tests.decoding import tiny

NEG_INF = float("-inf")


def test_lengths_follow_the_source() -> None:
    src = tiny.batch([[5, EOS], [5] * 9 + [EOS]])
    assert max_lengths(src, DecodingOptions(max_ratio=2.0, max_extra=1)).tolist() == [5, 21]
    assert max_lengths(src, DecodingOptions(max_ratio=2.0, max_extra=1, max_length=8)).tolist() == [5, 8]
    assert min_lengths(src, DecodingOptions(min_ratio=0.5, min_length=2)).tolist() == [2, 4]
    assert torch.equal(max_lengths(src, DecodingOptions()), length_limits(src))


def test_the_maximum_takes_precedence_over_the_minimum() -> None:
    limits = Limits(tiny.batch([[5] * 9 + [EOS]]), DecodingOptions(min_ratio=1.0, max_ratio=1.0, max_length=4))
    assert (limits.max_lengths.tolist(), limits.min_lengths.tolist()) == ([4], [3])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(2, 5), min_size=1, max_size=9), st.integers(1, 4))
def test_a_word_is_blocked_if_it_would_repeat_an_ngram(tokens: list[int], size: int) -> None:
    if len(tokens) < size:
        return
    log_probs = torch.zeros(1, 6)
    block_repeats(log_probs, torch.tensor([tokens]), size)
    grams = {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
    tail = tokens[len(tokens) - size + 1 :]
    assert [word for word in range(6) if log_probs[0, word] == NEG_INF] == [
        word for word in range(6) if (*tail, word) in grams
    ]


def test_neither_start_nor_padding_is_generated() -> None:
    model = tiny.model(8, 1)
    with torch.no_grad():
        model.generator.bias[[BOS, PAD]] = 100.0
    nbest = decode(model, tiny.batch(tiny.random_sources(5, 6)), DecodingOptions(beam=3))
    assert (nbest.tokens != BOS).all()
    assert all(PAD not in tiny.words_of(row[: int((row != PAD).sum())]) for row in nbest.tokens[:, 0])


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_repeated(beam: int, size: int) -> None:
    src = tiny.batch(tiny.random_sources(10, 10, 2))
    free = decode(tiny.model(9, 2), src, DecodingOptions(beam=beam))
    nbest = decode(tiny.model(9, 2), src, DecodingOptions(beam=beam, block_ngrams=size))
    assert any(tiny.repeats(tiny.words_of(row), size) for row in free.tokens[:, 0])
    assert not any(tiny.repeats(tiny.words_of(row), size) for row in nbest.tokens[:, 0])


def test_a_sentence_with_every_word_blocked_ends() -> None:
    nbest = decode(tiny.model(6), tiny.batch([[5, 6, EOS]]), DecodingOptions(block_ngrams=1, min_length=9))
    assert nbest.tokens[0, 0, -1] == EOS
    assert sorted(tiny.words_of(nbest.tokens[0, 0])) == [EOS, 3, 4, 5]


@pytest.mark.parametrize("beam", [1, 3])
def test_lengths_are_kept(beam: int) -> None:
    src = tiny.batch(tiny.random_sources(12, 8, 4))
    nbest = decode(tiny.model(9, 4), src, DecodingOptions(beam=beam, nbest=beam, min_length=5, max_length=7))
    assert nbest.lengths().max() <= 7
    for tokens in nbest.tokens.flatten(0, 1):
        words = tiny.words_of(tokens)
        assert len(words) == 7 or (words[-1] == EOS and len(words) > 5)


@pytest.mark.parametrize(
    "options", [DecodingOptions(), DecodingOptions(beam=4, nbest=4), DecodingOptions(temperature=1.0)]
)
def test_hypotheses_begin_with_their_prefix(options: DecodingOptions) -> None:
    src = tiny.batch([[5, EOS], [6, 7, 8, EOS], [9, EOS]])
    prefix = torch.tensor([[4, 5, 6], [7, PAD, PAD], [PAD, PAD, PAD]])
    model = tiny.model(9, 5)
    nbest = decode(model, src, options, prefix=prefix)
    present = nbest.scores > NEG_INF
    assert present.all() or options.beam > 1
    assert (nbest.tokens[0, present[0], :3] == torch.tensor([4, 5, 6])).all()
    assert (nbest.tokens[1, present[1], 0] == 7).all()
    free = decode(model, src, options)
    assert tiny.words_of(nbest.tokens[2, 0]) == tiny.words_of(free.tokens[2, 0])


def test_forced_words_have_the_models_probability() -> None:
    source = [5, 6, EOS]
    model = tiny.model(9, 5)
    nbest = decode(model, tiny.batch([source]), DecodingOptions(), prefix=torch.tensor([[4, 4, EOS]]))
    assert tiny.words_of(nbest.tokens[0, 0]) == (4, 4, EOS)
    with torch.no_grad():
        assert float(nbest.log_probs) == pytest.approx(tiny.log_prob_of(model, source, (4, 4, EOS))[0], abs=1e-4)
