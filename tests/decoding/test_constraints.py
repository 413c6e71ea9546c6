"""What may be said next."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.decoding.constraints import Limits, block_repeats, least_words, most_words
from seqvise.decoding.decode import decode
from seqvise.decoding.greedy import length_limits
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import BOS, EOS, PAD
from tests.decoding import tiny

NEVER = float("-inf")


def test_lengths_follow_the_source() -> None:
    src = tiny.batch([[5, EOS], [5] * 9 + [EOS]])
    assert most_words(src, DecodingOptions(max_ratio=2.0, max_extra=1)).tolist() == [5, 21]
    assert most_words(src, DecodingOptions(max_ratio=2.0, max_extra=1, max_length=8)).tolist() == [5, 8]
    assert least_words(src, DecodingOptions(min_ratio=0.5, min_length=2)).tolist() == [2, 4]
    assert torch.equal(most_words(src, DecodingOptions()), length_limits(src))


def test_the_most_goes_before_the_least() -> None:
    limits = Limits(tiny.batch([[5] * 9 + [EOS]]), DecodingOptions(min_ratio=1.0, max_ratio=1.0, max_length=4))
    assert (limits.most.tolist(), limits.least.tolist()) == ([4], [3])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(2, 5), min_size=1, max_size=9), st.integers(1, 4))
def test_a_word_is_blocked_if_it_would_repeat_an_ngram(said: list[int], size: int) -> None:
    if len(said) < size:
        return
    log_probs = torch.zeros(1, 6)
    block_repeats(log_probs, torch.tensor([said]), size)
    grams = {tuple(said[start : start + size]) for start in range(len(said) - size + 1)}
    tail = said[len(said) - size + 1 :]
    assert [word for word in range(6) if log_probs[0, word] == NEVER] == [
        word for word in range(6) if (*tail, word) in grams
    ]


def test_neither_start_nor_padding_is_said() -> None:
    model = tiny.model(8, 1)
    with torch.no_grad():
        model.generator.bias[[BOS, PAD]] = 100.0
    found = decode(model, tiny.batch(tiny.random_sources(5, 6)), DecodingOptions(beam=3))
    assert (found.tokens != BOS).all()
    assert all(PAD not in tiny.said(row[: int((row != PAD).sum())]) for row in found.tokens[:, 0])


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_said_twice(beam: int, size: int) -> None:
    src = tiny.batch(tiny.random_sources(10, 10, 2))
    free = decode(tiny.model(9, 2), src, DecodingOptions(beam=beam))
    found = decode(tiny.model(9, 2), src, DecodingOptions(beam=beam, block_ngrams=size))
    assert any(tiny.repeats(tiny.said(row), size) for row in free.tokens[:, 0])
    assert not any(tiny.repeats(tiny.said(row), size) for row in found.tokens[:, 0])


def test_a_sentence_with_nothing_left_to_say_ends() -> None:
    found = decode(tiny.model(6), tiny.batch([[5, 6, EOS]]), DecodingOptions(block_ngrams=1, min_length=9))
    assert found.tokens[0, 0, -1] == EOS
    assert sorted(tiny.said(found.tokens[0, 0])) == [EOS, 3, 4, 5]


@pytest.mark.parametrize("beam", [1, 3])
def test_lengths_are_kept(beam: int) -> None:
    src = tiny.batch(tiny.random_sources(12, 8, 4))
    found = decode(tiny.model(9, 4), src, DecodingOptions(beam=beam, nbest=beam, min_length=5, max_length=7))
    assert found.lengths().max() <= 7
    for tokens in found.tokens.flatten(0, 1):
        words = tiny.said(tokens)
        assert len(words) == 7 or (words[-1] == EOS and len(words) > 5)


@pytest.mark.parametrize(
    "options", [DecodingOptions(), DecodingOptions(beam=4, nbest=4), DecodingOptions(temperature=1.0)]
)
def test_hypotheses_begin_with_their_prefix(options: DecodingOptions) -> None:
    src = tiny.batch([[5, EOS], [6, 7, 8, EOS], [9, EOS]])
    prefix = torch.tensor([[4, 5, 6], [7, PAD, PAD], [PAD, PAD, PAD]])
    model = tiny.model(9, 5)
    found = decode(model, src, options, prefix=prefix)
    there = found.scores > NEVER
    assert there.all() or options.beam > 1
    assert (found.tokens[0, there[0], :3] == torch.tensor([4, 5, 6])).all()
    assert (found.tokens[1, there[1], 0] == 7).all()
    free = decode(model, src, options)
    assert tiny.said(found.tokens[2, 0]) == tiny.said(free.tokens[2, 0])


def test_what_is_forced_has_the_models_probability() -> None:
    source = [5, 6, EOS]
    model = tiny.model(9, 5)
    found = decode(model, tiny.batch([source]), DecodingOptions(), prefix=torch.tensor([[4, 4, EOS]]))
    assert tiny.said(found.tokens[0, 0]) == (4, 4, EOS)
    with torch.no_grad():
        assert float(found.log_probs) == pytest.approx(tiny.log_prob_of(model, source, (4, 4, EOS))[0], abs=1e-4)
