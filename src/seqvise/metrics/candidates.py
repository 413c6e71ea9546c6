"""Who may be the answer: labels that were trained on, held out, all together, or every noun."""

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
    hierarchical_chance,
    hierarchical_precisions,
    hit_chance,
    hits,
)

CELLS = 2**23
"""Scores held at once."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Candidates:
    """C candidates for the labels of a data set.

    Attributes:
        vectors: (C, D) rows of length 1.
        columns: (L,) the candidate that each label of the data set is; -1 for a label that is none of them.
        distances: (L, C) edges of the hierarchy between label and candidate; None where there is no hierarchy.
        handicap: (C,) taken off the scores; None for nothing.
    """

    vectors: Vectors
    columns: NDArray[np.int64]
    distances: NDArray[np.int16] | None = None
    handicap: Vectors | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, outputs: Vectors) -> Vectors:
        """(N, C) the cosines of outputs (N, D) of length 1, less the handicap."""
        found: Vectors = outputs @ self.vectors.T
        return found if self.handicap is None else found - self.handicap

    @cached_property
    def ks(self) -> dict[str, tuple[int, ...]]:
        """For ``hit`` and, where there is a hierarchy, ``hp`` the numbers of answers that are looked at."""
        sizes = {"hit": KS} if self.distances is None else {"hit": KS, "hp": HIERARCHICAL_KS}
        return {name: tuple(k for k in ks if k < len(self)) for name, ks in sizes.items()}


Score = Callable[[slice], Scores]
"""(n, C) scores of some of the images."""


def measure(score: Score, labels: Rows, candidates: Candidates) -> dict[str, float]:
    """``hit@k``, and ``hp@k`` where there is a hierarchy, of images among candidates; k below C.

    Args:
        score: gives (n, C) scores of the images in a slice; a higher one is better.
        labels: (N,) what the images show, all of them labels that are candidates; N above 0.
        candidates: C of them.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    for block in _blocks(len(labels), len(candidates)):
        for name, values in _values(score(block), labels[block], candidates):
            found.setdefault(name, []).append(values)
    return {name: _mean(np.concatenate(values)) for name, values in found.items()}


def chance(labels: Rows, candidates: Candidates) -> dict[str, float]:
    """What ``measure`` gives on average for scores drawn at random."""
    found = {"hit": hit_chance(len(candidates), candidates.ks["hit"])}
    if candidates.distances is not None:
        found["hp"] = hierarchical_chance(labels, candidates.distances, candidates.ks["hp"])
    return {f"{name}@{k}": value for name, values in found.items() for k, value in values.items()}


def _values(scores: Scores, labels: Rows, candidates: Candidates) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for k in candidates.ks["hit"]:
        yield f"hit@{k}", hits(scores, candidates.columns[labels], k)
    for k in candidates.ks.get("hp", ()):
        assert candidates.distances is not None
        yield f"hp@{k}", hierarchical_precisions(scores, labels, candidates.distances, k)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    size = max(1, CELLS // columns)
    return (slice(start, start + size) for start in range(0, rows, size))
