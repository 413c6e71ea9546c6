"""Label vectors smoothed by hypernyms, compared with values by hand and a slower computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.images.hypernyms import LEVELS, smoothed
from seqvise.images.labels import label_table
from seqvise.images.wordnet import WordNet
from seqvise.vectors.lexicon import Lexicon

VESSEL, BOAT, KETCH, GALLEY, ROOM, ALONE = (f"n{number:08d}" for number in range(1, 7))
WORDNET = WordNet(
    {
        VESSEL: "vessel, watercraft",
        BOAT: "boat",
        KETCH: "ketch",
        GALLEY: "galley",
        ROOM: "galley, kitchen",
        ALONE: "alone",
    },
    [(VESSEL, BOAT), (BOAT, KETCH), (BOAT, GALLEY)],
)
WORDS = ("vessel", "watercraft", "boat", "ketch", "galley", "alone")
LEXICON = Lexicon(WORDS, np.diag(np.arange(1, 7)).astype(np.float32), "words.vec", 6)


def test_each_level_adds_the_mean_of_its_words() -> None:
    table, coverage = label_table([KETCH, "alone", "boat"], "any", LEXICON, WORDNET, hypernyms=0.5)
    ketch = np.array([0.125, 0.125, 0.5, 1, 0, 0])
    boat = np.array([0.25, 0.25, 1, 0, 0, 0])
    expected = [ketch / np.linalg.norm(ketch), [0, 0, 0, 0, 0, 1], boat / np.linalg.norm(boat)]
    assert table.vectors == pytest.approx(np.array(expected), abs=1e-6)
    assert coverage.unsmoothed == ("alone",)
    assert "Not smoothed, 1 without hypernyms: alone." in str(coverage)


def test_without_a_weight_or_a_hierarchy_labels_keep_their_words() -> None:
    flat = WordNet({KETCH: "ketch", BOAT: "boat"})
    for wordnet, weight in ((WORDNET, 0.0), (flat, 0.7), (None, 0.7)):
        table, coverage = label_table(["ketch", "boat"], "any", LEXICON, wordnet, hypernyms=weight)
        assert np.array_equal(table.vectors, LEXICON.units([3, 2]))
        assert coverage.unsmoothed == ()


def test_labels_with_the_same_word_are_distinguished_by_hypernyms() -> None:
    names = [GALLEY, ROOM]
    assert label_table(names, "any", LEXICON, WORDNET)[1].same_vector == ((GALLEY, ROOM),)
    table, coverage = label_table(names, "any", LEXICON, WORDNET, hypernyms=0.7)
    assert coverage.same_vector == ()
    assert coverage.unsmoothed == (ROOM,)
    assert not np.allclose(*table.vectors)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted), max_size=20),
    st.floats(0, 1),
    st.integers(0, 2**16),
)
def test_random_hierarchies_agree_with_a_walk_by_distances(edges: list[list[int]], weight: float, seed: int) -> None:
    names = [f"n{number:08d}" for number in range(9)]
    lemmas = {name: f"word{number}, shared{number % 3}" for number, name in enumerate(names)}
    pairs = [(names[up], names[down]) for up, down in edges if up != down]
    wordnet = WordNet(lemmas, pairs)
    words = tuple(sorted({word for text in lemmas.values() for word in text.split(", ")})[2:])
    draws = np.random.default_rng(seed)
    lexicon = Lexicon(words, draws.normal(size=(len(words), 4)).astype(np.float32))
    vectors = draws.normal(size=(10, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = 0
    synsets = [*names, None]
    expected = [
        by_distances(vector, synset, dict.fromkeys(pairs), wordnet, lexicon, weight)
        for vector, synset in zip(vectors, synsets, strict=True)
    ]
    answer = smoothed(vectors.astype(np.float32), synsets, lexicon, wordnet, weight)
    assert answer == pytest.approx(np.array(expected), abs=1e-4)


def by_distances(
    vector: np.ndarray,
    synset: str | None,
    pairs: dict[tuple[str, str], None],
    wordnet: WordNet,
    lexicon: Lexicon,
    weight: float,
) -> np.ndarray:
    """Smooths a vector, with distances to hypernyms computed by repeated relaxation."""
    steps = {synset: 0}
    for _ in range(10):
        for parent, child in pairs:
            if child in steps:
                steps[parent] = min(steps.get(parent, 99), steps[child] + 1)
    total = vector.copy()
    for distance in range(1, LEVELS + 1):
        level = [hypernym for hypernym, steps_up in steps.items() if steps_up == distance and hypernym is not None]
        rows = [lexicon.row(word) for hypernym in level for word in wordnet.lemmas(hypernym)]
        units = [lexicon.units([row])[0] for row in rows if row is not None]
        total = total + (weight**distance * np.mean(units, axis=0) if units else 0)
    return total / np.linalg.norm(total) if vector.any() else vector
