"""How much of the exact answer an approximate index gives, and how wide it has to search for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from seqvise.retrieval.indexes.base import Index
from seqvise.retrieval.indexes.nearest import Rows, nearest_rows, unit_rows
from seqvise.retrieval.options import GraphOptions

K = 10
SAMPLE = 500
"""Queries that recall is measured with."""
STORED = 20
"""Queries that are stored with a graph, to check it when it is loaded."""
LOST = 0.05
"""Recall that a loaded graph may lack: another processor rounds distances of near ties otherwise."""
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


@dataclass(frozen=True)
class StoredQueries:
    """Queries with known answers, by which a loaded graph is checked.

    Attributes:
        rows: of the index's vectors, which are the queries.
        reach: radians to the last of each query's exact answers.
        recall: recall@10 with these queries when the graph was saved.
    """

    rows: tuple[int, ...]
    reach: tuple[float, ...]
    recall: float

    @classmethod
    def of(cls, index: Index) -> Self:
        """Vectors evenly spread over the index, with the recall that it has now."""
        rows = np.unique(np.linspace(0, len(index) - 1, min(STORED, len(index))).astype(np.int64))
        probe = Probe.of(index, index.vectors[rows], own=True)
        return cls(tuple(rows.tolist()), tuple(probe.reach.tolist()), probe.recall(index))

    def problem(self, index: Index) -> str:
        """Why the index does not answer as when it was saved, empty where it does."""
        queries = np.array(index.vectors[list(self.rows)])
        recall = Probe(queries, np.array(self.reach, np.float32), own=1).recall(index)
        if recall >= self.recall - LOST:
            return ""
        return f"recall@{K} of {len(self.rows)} stored queries is {recall:.3f}, but was {self.recall:.3f} when saved"

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"rows": list(self.rows), "reach": list(self.reach), "recall": self.recall}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What ``as_json`` has given."""
        return cls(tuple(values["rows"]), tuple(values["reach"]), float(values["recall"]))


def tuned_recall(index: Index, options: GraphOptions, words: Rows | None = None) -> dict[str, float]:
    """Sets the width of search, and returns the recall@10 with images of the index and with words.

    Args:
        index: an approximate one.
        options: the recall that is wanted.
        words: (W, D) vectors of words; None where there are none.
    """
    probes = {"images": Probe.of(index, sample(index.vectors, SAMPLE), own=True)}
    if words is not None and len(words):
        probes["words"] = Probe.of(index, sample(words, SAMPLE), own=False)
    reached = tune(index, list(probes.values()), options.recall)
    return dict(zip(probes, reached, strict=True))


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
