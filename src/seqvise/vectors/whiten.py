"""Whitens word vectors: reduces the directions that all of them share.

Word vectors share a mean and a few dominant directions that carry little meaning and make all vectors similar (Mu and
Viswanath 2018, arXiv:1702.01417). Each principal direction is divided by a power of its standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqvise.vectors.lexicon import Floats, Lexicon

MIN_VARIANCE_RATIO = 1e-4
"""Minimum variance of a direction, relative to the largest; limits the scaling of directions with little variance."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """Subtracts the mean of unit vectors, and divides each principal direction by a power of its standard deviation."""

    mean: NDArray[np.float64]  # (D,) mean of the unit vectors
    matrix: NDArray[np.float64]  # (D, D) symmetric whitening matrix

    @classmethod
    def of(cls, vectors: Floats, power: float) -> Whitening:
        """Estimates the transform from (n, D) vectors. power: 0 only subtracts the mean, 1 equalises all variances."""
        units = _units(vectors)
        mean = units.mean(0)
        variances, directions = np.linalg.eigh(np.cov(units - mean, rowvar=False))
        scales = np.maximum(variances, MIN_VARIANCE_RATIO * variances.max()) ** (-power / 2)
        return cls(mean, (directions * scales) @ directions.T)

    def __call__(self, vectors: Floats) -> Floats:
        """Maps (n, D) vectors to (n, D) whitened vectors of length 1; zero vectors stay zero."""
        white = _units((_units(vectors) - self.mean) @ self.matrix)
        white[~vectors.any(1)] = 0.0
        return white.astype(np.float32)


def whitened(lexicon: Lexicon, rows: NDArray[np.int64], power: float) -> Lexicon:
    """The lexicon with all vectors whitened. rows: words from which the transform is estimated."""
    whitening = Whitening.of(lexicon.units(rows), power)
    matrix = np.concatenate([whitening(part) for _, part in lexicon.parts()])
    return Lexicon(lexicon.words, matrix, lexicon.name, lexicon.total)


def _units(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float64)
