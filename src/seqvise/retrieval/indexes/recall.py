"""Recall of approximate indexes, and tuning of their search width to a target recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from seqvise.retrieval.indexes.base import Index
from seqvise.retrieval.indexes.nearest import Rows, nearest_rows, unit_rows
from seqvise.retrieval.options import GraphOptions

RECALL_AT = 10
SAMPLE = 500
"""Number of queries for measuring recall."""
STORED = 20
"""Number of queries stored with a graph, to check it when it is loaded."""
TOLERANCE = 0.05
"""Tolerated loss of recall of a loaded graph: another CPU may round distances of near ties differently."""
WIDTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
TIE_RADIANS = 1e-5
"""Tolerance in radians for counting a result as correct, since copies of an image are ties."""


@dataclass(frozen=True)
class Probe:
    """Queries with known exact results.

    Attributes:
        queries: (Q, D) unit vectors.
        reach: (Q,) radians to the last exact result.
        exclude_self: 1 if each query is a vector of the index, whose first result (itself) does not count; else 0.
    """

    queries: Rows
    reach: Rows
    exclude_self: int

    @classmethod
    def of(cls, index: Index, queries: Rows, exclude_self: bool) -> Self:
        """Computes the exact results of the queries (Q, D)."""
        unit_queries = unit_rows(queries, "query", index.vectors.shape[1])
        _, angles = nearest_rows(unit_queries, index.vectors, min(RECALL_AT + exclude_self, len(index)))
        return cls(unit_queries, angles[:, -1], int(exclude_self))

    def recall(self, index: Index) -> float:
        """The fraction of the ten nearest vectors that the index finds (recall@10)."""
        neighbours = index.search(self.queries, RECALL_AT + self.exclude_self)
        is_correct = (neighbours.angles <= self.reach[:, None] + TIE_RADIANS)[:, self.exclude_self :]
        return float(is_correct.mean()) if is_correct.size else 1.0


@dataclass(frozen=True)
class StoredQueries:
    """Queries with known results for checking a loaded graph.

    Attributes:
        rows: rows of the index's vectors that are the queries.
        reach: radians to the last exact result of each query.
        recall: recall@10 of these queries when the graph was saved.
    """

    rows: tuple[int, ...]
    reach: tuple[float, ...]
    recall: float

    @classmethod
    def of(cls, index: Index) -> Self:
        """Evenly spaced vectors of the index, with their current recall."""
        rows = np.unique(np.linspace(0, len(index) - 1, min(STORED, len(index))).astype(np.int64))
        probe = Probe.of(index, index.vectors[rows], exclude_self=True)
        return cls(tuple(rows.tolist()), tuple(probe.reach.tolist()), probe.recall(index))

    def problem(self, index: Index) -> str:
        """The reason why the index is damaged; empty if its recall is as when it was saved."""
        queries = np.array(index.vectors[list(self.rows)])
        recall = Probe(queries, np.array(self.reach, np.float32), exclude_self=1).recall(index)
        if recall >= self.recall - TOLERANCE:
            return ""
        return (
            f"recall@{RECALL_AT} of {len(self.rows)} stored queries is {recall:.3f}, but was {self.recall:.3f} "
            "when saved"
        )

    def as_json(self) -> dict[str, Any]:
        """The stored queries as JSON values."""
        return {"rows": list(self.rows), "reach": list(self.reach), "recall": self.recall}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of ``as_json``."""
        return cls(tuple(values["rows"]), tuple(values["reach"]), float(values["recall"]))


def tuned_recall(index: Index, options: GraphOptions, words: Rows | None = None) -> dict[str, float]:
    """Tunes the search width, and returns recall@10 for images of the index and for words as queries.

    Args:
        index: an approximate index.
        options: specify the target recall.
        words: (W, D) vectors of words; None for images only.
    """
    probes = {"images": Probe.of(index, sample(index.vectors, SAMPLE), exclude_self=True)}
    if words is not None and len(words):
        probes["words"] = Probe.of(index, sample(words, SAMPLE), exclude_self=False)
    recalls = tune(index, list(probes.values()), options.recall)
    return dict(zip(probes, recalls, strict=True))


def tune(index: Index, probes: Sequence[Probe], target: float) -> list[float]:
    """Sets the smallest search width that reaches the target recall with all probes, or else the largest width.

    Returns:
        the recall of each probe.
    """
    recalls: list[float] = []
    for width in WIDTHS:
        index.width = width
        recalls = [probe.recall(index) for probe in probes]
        if min(recalls) >= target:
            break
    return recalls


def sample(vectors: Rows, count: int, seed: int = 0) -> Rows:
    """``count`` of the rows, drawn without replacement; all rows if there are no more."""
    if len(vectors) <= count:
        return np.array(vectors)
    return np.array(vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))])
