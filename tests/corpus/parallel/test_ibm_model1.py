"""IBM Model 1 against a reference implementation with loops, and on a textbook example."""

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


def reference_probabilities(pairs: Pairs, iterations: int) -> dict[tuple[int, int], float]:
    probability: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for source, target in pairs:
            if not source:
                continue
            for word in target:
                total = sum(probability[other, word] for other in [-1, *source])
                for other in [-1, *source]:
                    counts[other, word] += probability[other, word] / total
                    totals[other] += probability[other, word] / total
        probability = defaultdict(
            float, {(other, word): count / totals[other] for (other, word), count in counts.items()}
        )
    return {words: value for words, value in probability.items() if words[0] != -1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=6), st.integers(1, 4))
def test_probabilities_are_those_of_the_reference(pairs: Pairs, iterations: int) -> None:
    if not any(source and target for source, target in pairs):
        return
    table = lexical_table(*columns(pairs), max_targets=100, iterations=iterations)
    entries = zip(table.source.tolist(), table.target.tolist(), table.probability.tolist(), strict=True)
    assert {(source, target): probability for source, target, probability in entries} == pytest.approx(
        reference_probabilities(pairs, iterations)
    )
    assert table.source.tolist() == sorted(table.source.tolist())


def test_words_that_cooccur_often_translate_each_other() -> None:
    das, ein, haus, buch, the, a, house, book = range(4, 12)
    pairs = [([das, haus], [the, house]), ([das, buch], [the, book]), ([ein, buch], [a, book])]
    table = lexical_table(*columns(pairs), max_targets=1, iterations=20)
    assert dict(zip(table.source.tolist(), table.target.tolist(), strict=True)) == {
        das: the,
        ein: a,
        haus: house,
        buch: book,
    }
    assert (table.probability > 0.8).all()


def test_a_large_corpus_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [([4 + row], [4 + row]) for row in range(100)]
    monkeypatch.setattr(ibm_model1, "MAX_COOCCURRENCES", 100)  # each pair has 4, with the end marks
    table = lexical_table(*columns(pairs), max_targets=3)
    assert table.source.tolist() == list(range(4, 104, 4))
