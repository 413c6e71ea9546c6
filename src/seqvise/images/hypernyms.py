"""Label vectors smoothed by WordNet.

The vector of a word is near the words that it is written beside; hypernyms bring it near what the thing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from seqvise.images.wordnet import WordNet
from seqvise.vectors.lexicon import Lexicon, unit_rows

LEVELS = 5
"""Levels that are added: those above ("object", "entity") are common to most labels and tell none apart."""

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]


def smoothed(
    vectors: Floats, synsets: Sequence[str | None], lexicon: Lexicon, wordnet: WordNet, weight: float
) -> Floats:
    """Label vectors plus those of their hypernyms: v + sum over d = 1..LEVELS of weight^d m_d, scaled to length 1.

    m_d is the mean unit vector of the lemmas of all hypernyms whose shortest path up has d steps. A level without a
    lemma in the lexicon adds nothing. Labels without a synset, and vectors of zeros, stay as they are.

    Args:
        vectors: (L, D) of length 1, or zeros.
        synsets: L synsets, None where a label has none.
        lexicon: words of the vectors' space.
        wordnet: hypernyms and lemmas.
        weight: of the first level; 0 changes nothing.
    """
    if weight == 0:
        return vectors
    levels = [[] if synset is None else wordnet.levels(synset)[:LEVELS] for synset in synsets]
    order = {synset: row for row, synset in enumerate({synset for label in levels for synset in chain(*label)})}
    sums, counts = _lemma_sums(list(order), lexicon, wordnet)
    total = vectors.astype(np.float64)
    for row, label in enumerate(levels):
        for steps, level in enumerate(label, 1):
            places = [order[synset] for synset in level]
            total[row] += weight**steps * sums[places].sum(0) / max(counts[places].sum(), 1)
    total[~vectors.any(1)] = 0.0
    return unit_rows(total.astype(np.float32))


def _lemma_sums(synsets: Sequence[str], lexicon: Lexicon, wordnet: WordNet) -> tuple[Sums, NDArray[np.int64]]:
    """(S, D) sums of the unit vectors of each synset's lemmas, and (S,) how many lemmas have a vector."""
    sums, counts = np.zeros((len(synsets), lexicon.dim)), np.zeros(len(synsets), np.int64)
    for place, synset in enumerate(synsets):
        rows = {lexicon.row(lemma) for lemma in wordnet.lemmas(synset)} - {None}
        if rows:
            units = lexicon.units(sorted(row for row in rows if row is not None))
            sums[place], counts[place] = units.sum(0), len(units)
    return sums, counts
