"""How much of the exact answer an approximate index gives, and how wide it has to search for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from seqvise.retrieval.index import Index
from seqvise.retrieval.nearest import nearest_rows
from seqvise.retrieval.vectors import Rows, unit_rows

K = 10
WIDTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
TIE = 1e-5
"""Radians by which an answer may be farther than the exact one's last and still count: copies of an image are many."""


@dataclass(frozen=True)
class Probe:
    """Queries whose exact answers are known.

    Attributes:
        queries: (Q, D), of length 1.
        reach: (Q,) radians to the last of the exact answers.
        own: 1 where each query is a vector of the index, whose first answer, itself, does not count; else 0.
    """

    queries: Rows
    reach: Rows
    own: int

    @classmethod
    def of(cls, index: Index, queries: Rows, own: bool) -> Self:
        """Compares the queries (Q, D) with every vector of the index."""
        asked = unit_rows(queries, "query", index.vectors.shape[1])
        _, angles = nearest_rows(asked, index.vectors, min(K + own, len(index)))
        return cls(asked, angles[:, -1], int(own))

    def recall(self, index: Index) -> float:
        """The share of the ten nearest vectors that the index finds (recall@10)."""
        found = index.search(self.queries, K + self.own)
        right = (found.angles <= self.reach[:, None] + TIE)[:, self.own :]
        return float(right.mean()) if right.size else 1.0


def tune(index: Index, probes: Sequence[Probe], wanted: float) -> list[float]:
    """Sets the smallest width of search that has the wanted recall with every probe, else the largest.

    Returns:
        the recall with each probe.
    """
    reached: list[float] = []
    for width in WIDTHS:
        index.width = width
        reached = [probe.recall(index) for probe in probes]
        if min(reached) >= wanted:
            break
    return reached


def sample(vectors: Rows, count: int, seed: int = 0) -> Rows:
    """So many of the rows, drawn without repeats; all where there are no more."""
    if len(vectors) <= count:
        return np.array(vectors)
    return np.array(vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))])
