"""How well labels are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def accuracy(counts: Counts) -> float:
    """The share of right labels. counts: (L, L), rows the true labels, columns those found."""
    return float(np.trace(counts) / max(counts.sum(), 1))


def f1_scores(counts: Counts) -> NDArray[np.float64]:
    """(L,) of each label the harmonic mean of precision and recall; 0 where neither is defined."""
    right = np.diag(counts).astype(np.float64)
    both = counts.sum(0) + counts.sum(1)
    scores: NDArray[np.float64] = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    return scores


def macro_f1(counts: Counts) -> float:
    """The mean over labels that are there or were found."""
    present = counts.sum(0) + counts.sum(1) > 0
    return float(f1_scores(counts)[present].mean()) if present.any() else 0.0
