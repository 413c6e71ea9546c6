"""Means of the ranking metrics for several k, those above the number of candidates left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqvise.metrics.retrieval import HIERARCHICAL_KS, KS, Rows, Scores, hierarchical_precisions, hits, mean


def hit_at_k(scores: Scores, truth: Rows, ks: Sequence[int] = KS) -> dict[int, float]:
    return {k: mean(hits(scores, truth, k)) for k in ks if 1 <= k <= scores.shape[1]}


def hierarchical_precision_at_k(
    scores: Scores, truth: Rows, distances: NDArray[np.int16], ks: Sequence[int] = HIERARCHICAL_KS
) -> dict[int, float]:
    return {k: mean(hierarchical_precisions(scores, truth, distances, k)) for k in ks if 1 <= k <= scores.shape[1]}
