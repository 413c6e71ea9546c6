"""Retrieval metrics of images among candidate labels: seen, held-out or all labels, or every noun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seqvise.metrics.retrieval import (
    HIERARCHICAL_KS,
    KS,
    Rows,
    Scores,
    blocks,
    hierarchical_chance,
    hierarchical_precisions,
    hit_chance,
    hits,
    mean,
)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Candidates:
    """C candidates for the labels of a data set."""

    vectors: Vectors  # (C, D) unit vectors
    # (L,) candidate index of each label of the data set; -1 for labels that are not candidates
    columns: NDArray[np.int64]
    # (L, C) edges of the hierarchy between label and candidate; None without a hierarchy
    distances: NDArray[np.int16] | None = None
    handicap: Vectors | None = None  # (C,) subtracted from the scores; None for no handicap

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, outputs: Vectors) -> Vectors:
        """(N, C) cosines of unit vectors (N, D) with the candidates, minus the handicap."""
        cosines: Vectors = outputs @ self.vectors.T
        return cosines if self.handicap is None else cosines - self.handicap

    @cached_property
    def ks(self) -> dict[str, tuple[int, ...]]:
        """The values of k below C for ``hit@k`` and, with a hierarchy, ``hp@k``."""
        sizes = {"hit": KS} if self.distances is None else {"hit": KS, "hp": HIERARCHICAL_KS}
        return {name: tuple(k for k in ks if k < len(self)) for name, ks in sizes.items()}


Score = Callable[[slice], Scores]
"""Returns the scores (n, C) of a slice of the images."""


def measure(score: Score, labels: Rows, candidates: Candidates) -> dict[str, float]:
    """``hit@k`` and, with a hierarchy, ``hp@k`` of images among candidates, for k below C.

    Args:
        score: returns the scores (n, C) of the images in a slice; higher is better.
        labels: (N,) labels of the images, all of which are candidates; N > 0.
        candidates: the C candidates.
    """
    values_by_name: dict[str, list[NDArray[np.float64]]] = {}
    for block in blocks(len(labels), len(candidates)):
        for name, values in _values(score(block), labels[block], candidates):
            values_by_name.setdefault(name, []).append(values)
    return {name: mean(np.concatenate(values)) for name, values in values_by_name.items()}


def chance(labels: Rows, candidates: Candidates) -> dict[str, float]:
    """The expected result of ``measure`` for random scores."""
    chances = {"hit": hit_chance(len(candidates), candidates.ks["hit"])}
    if candidates.distances is not None:
        chances["hp"] = hierarchical_chance(labels, candidates.distances, candidates.ks["hp"])
    return {f"{name}@{k}": value for name, values in chances.items() for k, value in values.items()}


def _values(scores: Scores, labels: Rows, candidates: Candidates) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for k in candidates.ks["hit"]:
        yield f"hit@{k}", hits(scores, candidates.columns[labels], k)
    for k in candidates.ks.get("hp", ()):
        assert candidates.distances is not None
        yield f"hp@{k}", hierarchical_precisions(scores, labels, candidates.distances, k)
