"""Word vectors with their common directions made weaker.

Vectors of words share a mean and a few directions that say little about meaning, and by which all of them look alike
(Mu and Viswanath 2018, arXiv:1702.01417). Each direction is divided by its deviation to a power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqvise.vectors.lexicon import Floats, Lexicon

LEAST = 1e-4
"""The least share of the largest variance that a direction is taken to have, so that none is blown up."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """Takes the mean of unit vectors away, and divides each principal direction by its deviation to a power.

    Attributes:
        mean: (D,) of the unit vectors that it was found from.
        map: (D, D) symmetric.
    """

    mean: NDArray[np.float64]
    map: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Floats, power: float) -> Whitening:
        """Found from (n, D) vectors. power: 0 only takes the mean away, 1 makes all directions equally long."""
        units = _units(vectors)
        mean = units.mean(0)
        variances, directions = np.linalg.eigh(np.cov(units - mean, rowvar=False))
        scales = np.maximum(variances, LEAST * variances.max()) ** (-power / 2)
        return cls(mean, (directions * scales) @ directions.T)

    def __call__(self, vectors: Floats) -> Floats:
        """(n, D) vectors of length 1 of (n, D) vectors; a vector of zeros stays one."""
        found = _units((_units(vectors) - self.mean) @ self.map)
        found[~vectors.any(1)] = 0.0
        return found.astype(np.float32)


def whitened(lexicon: Lexicon, rows: NDArray[np.int64], power: float) -> Lexicon:
    """The lexicon with all its vectors whitened. rows: the words that the directions are found from."""
    whitening = Whitening.of(lexicon.units(rows), power)
    matrix = np.concatenate([whitening(part) for _, part in lexicon.parts()])
    return Lexicon(lexicon.words, matrix, lexicon.name, lexicon.total)


def _units(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float64)
