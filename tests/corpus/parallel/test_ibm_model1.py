"""IBM Model 1 against expectation maximisation written out, and on the textbook's example."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqvise.corpus.parallel import ibm_model1
from seqvise.corpus.parallel.ibm_model1 import lexical_table
from seqvise.corpus.tokens.vocabulary import EOS

Pairs = list[tuple[list[int], list[int]]]
SENTENCE = st.lists(st.integers(4, 9), max_size=5)


def columns(pairs: Pairs) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
    ended = [[np.array([*side, EOS], np.int32) for side in pair] for pair in pairs]
    return [source for source, _ in ended], [target for _, target in ended]


def plainly(pairs: Pairs, rounds: int) -> dict[tuple[int, int], float]:
    chance: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(rounds):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for source, target in pairs:
            if not source:
                continue
            for word in target:
                norm = sum(chance[other, word] for other in [-1, *source])
                for other in [-1, *source]:
                    counts[other, word] += chance[other, word] / norm
                    totals[other] += chance[other, word] / norm
        chance = defaultdict(float, {(other, word): count / totals[other] for (other, word), count in counts.items()})
    return {both: value for both, value in chance.items() if both[0] != -1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=6), st.integers(1, 4))
def test_chances_are_those_of_plain_loops(pairs: Pairs, rounds: int) -> None:
    if not any(source and target for source, target in pairs):
        return
    found = lexical_table(*columns(pairs), most=100, rounds=rounds)
    entries = zip(found.source.tolist(), found.target.tolist(), found.chance.tolist(), strict=True)
    assert {(source, target): chance for source, target, chance in entries} == pytest.approx(plainly(pairs, rounds))
    assert found.source.tolist() == sorted(found.source.tolist())


def test_words_that_meet_again_and_again_translate_each_other() -> None:
    das, ein, haus, buch, the, a, house, book = range(4, 12)
    pairs = [([das, haus], [the, house]), ([das, buch], [the, book]), ([ein, buch], [a, book])]
    found = lexical_table(*columns(pairs), most=1, rounds=20)
    assert dict(zip(found.source.tolist(), found.target.tolist(), strict=True)) == {
        das: the,
        ein: a,
        haus: house,
        buch: book,
    }
    assert (found.chance > 0.8).all()


def test_of_a_large_corpus_pairs_are_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [([4 + row], [4 + row]) for row in range(100)]
    monkeypatch.setattr(ibm_model1, "MOST_PLACES", 100)  # each has 4, the end marks counted
    found = lexical_table(*columns(pairs), most=3)
    assert found.source.tolist() == list(range(4, 104, 4))
