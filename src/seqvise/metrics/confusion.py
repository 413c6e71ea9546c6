"""Accuracy and F1 from a confusion matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def accuracy(counts: Counts) -> float:
    """The share of correct predictions. counts: (L, L), rows are true labels, columns predicted labels."""
    return float(np.trace(counts) / max(counts.sum(), 1))


def f1_scores(counts: Counts) -> NDArray[np.float64]:
    """(L,) F1 of each label, the harmonic mean of precision and recall; 0 if neither is defined."""
    correct = np.diag(counts).astype(np.float64)
    total = counts.sum(0) + counts.sum(1)
    scores: NDArray[np.float64] = np.divide(2 * correct, total, out=np.zeros_like(correct), where=total > 0)
    return scores


def macro_f1(counts: Counts) -> float:
    """The mean F1 over labels that occur or are predicted."""
    present = counts.sum(0) + counts.sum(1) > 0
    return float(f1_scores(counts)[present].mean()) if present.any() else 0.0
