"""Label vectors smoothed with WordNet hypernyms.

Word vectors are near words of similar contexts; adding hypernyms moves labels near labels of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from seqvise.images.wordnet import WordNet
from seqvise.vectors.lexicon import Lexicon, unit_rows

LEVELS = 5
"""Number of hypernym levels to add; higher levels ("object", "entity") are shared by most labels."""

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]


def smoothed(
    vectors: Floats, synsets: Sequence[str | None], lexicon: Lexicon, wordnet: WordNet, weight: float
) -> Floats:
    """Adds hypernym vectors to label vectors: v + sum over d = 1..LEVELS of weight^d m_d, scaled to length 1.

    m_d is the mean unit vector of the lemmas of all hypernyms at a shortest distance of d. Levels without a lemma in
    the lexicon add nothing. Labels without a synset, and zero vectors, are unchanged.

    Args:
        vectors: (L, D) unit vectors, or zeros.
        synsets: L synsets; None for labels without one.
        lexicon: words of the same vector space.
        wordnet: hypernyms and lemmas.
        weight: weight of the first level; 0 changes nothing.
    """
    if weight == 0:
        return vectors
    levels = [[] if synset is None else wordnet.levels(synset)[:LEVELS] for synset in synsets]
    order = {synset: row for row, synset in enumerate({synset for label in levels for synset in chain(*label)})}
    sums, counts = _lemma_sums(list(order), lexicon, wordnet)
    total = vectors.astype(np.float64)
    for row, label in enumerate(levels):
        for steps, level in enumerate(label, 1):
            rows = [order[synset] for synset in level]
            total[row] += weight**steps * sums[rows].sum(0) / max(counts[rows].sum(), 1)
    total[~vectors.any(1)] = 0.0
    return unit_rows(total.astype(np.float32))


def _lemma_sums(synsets: Sequence[str], lexicon: Lexicon, wordnet: WordNet) -> tuple[Sums, NDArray[np.int64]]:
    """(S, D) sums of the unit vectors of each synset's lemmas, and (S,) numbers of lemmas with a vector."""
    sums, counts = np.zeros((len(synsets), lexicon.dim)), np.zeros(len(synsets), np.int64)
    for index, synset in enumerate(synsets):
        rows = {lexicon.row(lemma) for lemma in wordnet.lemmas(synset)} - {None}
        if rows:
            units = lexicon.units(sorted(row for row in rows if row is not None))
            sums[index], counts[index] = units.sum(0), len(units)
    return sums, counts
