"""Sampling: the distribution of samples, and their dependence on seed and source alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from seqvise.decoding.decode import decode
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.sampling import draw_words, filter_probs, uniform_numbers
from seqvise.models.interface import EOS, SourceBatch
from tests.decoding import tiny

PROBS = torch.tensor([0.1, 0.4, 0.05, 0.25, 0.2])


def shares(options: DecodingOptions, count: int = 20_000) -> list[float]:
    """How often each word is drawn."""
    numbers = torch.linspace(0, 1, count + 1)[:-1]
    words = draw_words(PROBS.log().expand(count, -1), numbers, options).words
    return [float((words == word).float().mean()) for word in range(5)]


def test_words_are_drawn_with_their_probability() -> None:
    assert shares(DecodingOptions(temperature=1.0)) == pytest.approx(PROBS.tolist(), abs=1e-3)


def test_a_temperature_sharpens() -> None:
    squared = PROBS.square() / PROBS.square().sum()
    assert shares(DecodingOptions(temperature=0.5)) == pytest.approx(squared.tolist(), abs=1e-3)


def test_top_k_keeps_the_most_probable() -> None:
    kept = [0.0, 0.4 / 0.65, 0.0, 0.25 / 0.65, 0.0]
    assert shares(DecodingOptions(temperature=1.0, top_k=2)) == pytest.approx(kept, abs=1e-3)


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, [1]), (0.5, [1, 3]), (0.7, [1, 3, 4]), (0.86, [0, 1, 3, 4])])
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, kept: list[int]) -> None:
    probs, near_tie = filter_probs(PROBS[None], 0, top_p)
    assert probs[0].nonzero().squeeze(1).tolist() == kept
    assert not near_tie


def test_a_nucleus_that_ends_at_a_word_is_a_near_tie() -> None:
    assert filter_probs(PROBS[None], 0, 0.65)[1]
    assert filter_probs(torch.tensor([[0.3, 0.3, 0.4]]), 2, 1.0)[1]


def test_forbidden_words_are_never_drawn() -> None:
    log_probs = PROBS.log().clone()
    log_probs[[0, 4]] = float("-inf")
    for number in (0.0, 0.999999, 1.0):
        word = draw_words(log_probs[None], torch.tensor([number]), DecodingOptions(temperature=1.0)).words
        assert int(word) in (1, 2, 3)


@pytest.mark.parametrize("choices", [{}, {"top_k": 3}, {"top_p": 0.8}, {"temperature": 2.0}])
def test_samples_do_not_depend_on_the_batch(choices: dict[str, Any]) -> None:
    options = DecodingOptions(**{"temperature": 1.0, "nbest": 2, "seed": 7, **choices})
    model, sources = tiny.model(60, 2), tiny.random_sources(30, 9, 6)
    together = decode(model, tiny.batch(sources), options)
    backwards = decode(model, tiny.batch(sources[::-1]), options)
    for row, source in enumerate(sources):
        alone = decode(model, tiny.batch([source]), options)
        for rank in range(2):
            words = tiny.words_of(alone.tokens[0, rank])
            assert tiny.words_of(together.tokens[row, rank]) == words
            assert tiny.words_of(backwards.tokens[-1 - row, rank]) == words


def test_the_seed_and_the_draw_change_the_words() -> None:
    model, src = tiny.model(60, 2), tiny.batch([[5, 6, 7, EOS]])
    results = [decode(model, src, DecodingOptions(temperature=1.0, nbest=3, seed=seed)) for seed in (1, 2, 1)]
    assert torch.equal(results[0].tokens, results[2].tokens)
    assert not torch.equal(results[0].tokens, results[1].tokens)
    assert len({tiny.words_of(row) for row in results[0].tokens[0]}) == 3
    assert results[0].scores[0].tolist() == sorted(results[0].scores[0].tolist(), reverse=True)


def test_a_samples_score_is_its_log_probability() -> None:
    source, model = [5, 6, 7, EOS], tiny.model(20, 2)
    nbest = decode(model, tiny.batch([source]), DecodingOptions(temperature=1.5, top_k=4, length_penalty="none"))
    with torch.no_grad():
        expected = tiny.log_prob_of(model, source, tiny.words_of(nbest.tokens[0, 0]))[0]
    assert float(nbest.scores) == pytest.approx(expected, abs=1e-4)


def test_numbers_do_not_depend_on_the_maximum_length() -> None:
    src = SourceBatch(torch.tensor([[5, 6, EOS]]), torch.tensor([3]))
    short, long = uniform_numbers(src, 2, torch.tensor([3]), 1), uniform_numbers(src, 2, torch.tensor([9]), 1)
    assert torch.equal(short, long[:, :, :3])
    assert abs(float(uniform_numbers(src, 100, torch.tensor([100]), 1).mean()) - 0.5) < 4 / math.sqrt(12 * 10_000)
