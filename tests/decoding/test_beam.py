"""Beam search against exhaustive enumeration, greedy decoding, and beam search without pruning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.decoding.beam import BeamSearch, choose
from seqvise.decoding.decode import decode
from seqvise.decoding.greedy import greedy
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import EOS
from tests.decoding import tiny

WORDS = 6
OUTPUT_SPACE = 200  # more than the 121 sentences of up to four of three words

NO_PRUNING = mock.patch.object(
    BeamSearch, "_can_win", lambda _, beams: torch.ones_like(beams.log_probs, dtype=torch.bool)
)

penalties = st.fixed_dictionaries(
    {
        "length_penalty": st.sampled_from(["average", "gnmt", "none"]),
        "alpha": st.sampled_from([0.0, 0.6, 1.0, 2.0]),
        "coverage": st.sampled_from([0.0, 0.2, 1.0]),
        "block_ngrams": st.integers(0, 2),
        "min_length": st.integers(0, 2),
        "max_length": st.integers(1, 4),
    }
)


@settings(max_examples=15, deadline=None)
@given(penalties, st.integers(0, 30), st.floats(0.5, 4.0))
def test_a_beam_as_large_as_the_output_space_is_exhaustive(
    choices: dict[str, Any], seed: int, sharpness: float
) -> None:
    options = DecodingOptions(beam=OUTPUT_SPACE, nbest=3, **choices)
    model, sources = tiny.model(WORDS, seed, sharpness), tiny.random_sources(2, 6, seed)
    nbest = decode(model, tiny.batch(sources), options)
    for row, source in enumerate(sources):
        for rank, (score, words) in enumerate(tiny.exhaustive(model, source, WORDS, options)[:3]):
            assert float(nbest.scores[row, rank]) == pytest.approx(score, abs=2e-4)
            assert nbest.near_tie[row] or tiny.words_of(nbest.tokens[row, rank]) == words


@settings(max_examples=40, deadline=None)
@given(penalties, st.integers(0, 30), st.integers(1, 5), st.booleans())
def test_pruning_keeps_the_nbest(choices: dict[str, Any], seed: int, beam: int, all_of_them: bool) -> None:
    options = DecodingOptions(beam=beam, nbest=beam if all_of_them else 1, **{**choices, "max_length": None})
    model, src = tiny.model(12, seed), tiny.batch(tiny.random_sources(6, 8, seed))
    early = BeamSearch(model, src, options, None).run()
    with NO_PRUNING:
        late = BeamSearch(model, src, options, None).run()
    certain = ~(early.near_tie | late.near_tie)
    assert torch.allclose(early.scores, late.scores, atol=1e-4)
    for row in certain.nonzero().squeeze(1).tolist():
        assert [tiny.words_of(tokens) for tokens in early.tokens[row]] == [
            tiny.words_of(tokens) for tokens in late.tokens[row]
        ]


def test_pruning_computes_fewer_rows() -> None:
    src, options = tiny.batch(tiny.random_sources(6, 8, 3)), DecodingOptions(beam=4, length_penalty="none")
    model = tiny.model(12, 3)
    torch.nn.init.constant_(model.generator.bias[EOS], 2.0)
    early, late = mock.Mock(wraps=model), mock.Mock(wraps=model)
    BeamSearch(early, src, options, None).run()
    with NO_PRUNING:
        BeamSearch(late, src, options, None).run()
    rows = [sum(len(call.args[0]) for call in counting.step.call_args_list) for counting in (early, late)]
    assert rows[0] < 0.8 * rows[1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.integers(4, 300), st.floats(0.3, 4.0))
def test_a_beam_of_one_is_greedy(seed: int, vocab_size: int, sharpness: float) -> None:
    model, src = tiny.model(vocab_size, seed, sharpness), tiny.batch(tiny.random_sources(9, 12, seed))
    nbest, expected = decode(model, src, DecodingOptions()), greedy(model, src)
    for row in range(9):
        assert nbest.near_tie[row] or tiny.words_of(nbest.tokens[row, 0]) == tiny.words_of(expected.tokens[row])


def test_a_wider_beam_finds_no_worse_on_average() -> None:
    model, src = tiny.model(30, 1), tiny.batch(tiny.random_sources(40, 8, 1))
    options = DecodingOptions(length_penalty="none")
    scores = [decode(model, src, replace(options, beam=beam)).scores.mean() for beam in (1, 2, 8, 32)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_finished_sentences_are_not_computed() -> None:
    model = tiny.model(12, 3)
    src = tiny.batch(tiny.random_sources(20, 10, 3))
    counting = mock.Mock(wraps=model)
    nbest = BeamSearch(counting, src, DecodingOptions(), None).run()
    rows = [len(call.args[0]) for call in counting.step.call_args_list]
    lengths = nbest.lengths()[:, 0]
    assert rows == [int((lengths > step).sum()) for step in range(int(lengths.max()))]


def test_the_most_probable_continuations_take_the_slots() -> None:
    """Two sentences: the first with two hypotheses, the second with one hypothesis and one free slot."""
    log_probs = torch.tensor([[-1.0, -2.0], [-1.0, float("-inf")]])
    words = torch.log(torch.tensor([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.3, 0.5, 0.2], [1 / 3, 1 / 3, 1 / 3]]))
    choice = choose(log_probs, words, torch.tensor([2, 1]))
    assert choice.origins[0].tolist() == [0, 1]
    assert choice.words[0].tolist() == [2, 0]
    assert choice.log_probs[0].tolist() == pytest.approx([-1 - 0.3567, -2 - 0.2231], abs=1e-4)
    assert (int(choice.origins[1, 0]), int(choice.words[1, 0])) == (0, 1)
    assert choice.log_probs[1, 1] == float("-inf")
    assert choice.near_tie.tolist() == [False, False]


def test_a_tie_for_the_last_slot_is_a_near_tie() -> None:
    words = torch.log(torch.tensor([[0.4, 0.3, 0.3], [0.4, 0.35, 0.25]]))
    assert choose(torch.zeros(2, 1), words, torch.tensor([2, 2])).near_tie.tolist() == [True, False]
    assert choose(torch.zeros(2, 1), words, torch.tensor([1, 1])).near_tie.tolist() == [False, False]
