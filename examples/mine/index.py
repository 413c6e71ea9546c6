"""An approximate index: each vector is in the bucket of the nearest centre, and a search reads a few buckets."""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from seqvise.retrieval.indexes.base import Ids, Neighbours
from seqvise.retrieval.indexes.nearest import Rows, checked_queries, nearest_rows
from seqvise.retrieval.options import GraphOptions


class Buckets:
    """An inverted file with randomly chosen vectors as centres. See ``seqvise.retrieval.indexes.base.Index``."""

    def __init__(self, vectors: Rows, ids: Ids, centres: Rows, width: int) -> None:
        self.vectors, self.ids, self.centres, self.width = vectors, ids, centres, width
        self.buckets = nearest_rows(np.asarray(vectors), centres, 1)[0][:, 0]

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, _options: GraphOptions) -> Self:
        """Chooses about as many centres as a bucket has vectors."""
        rows = np.random.default_rng(0).choice(len(vectors), isqrt(len(vectors)), replace=False)
        return cls(vectors, ids, vectors[rows], width=1)

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, _threads: int) -> Self:
        """Loads the centres that ``save`` wrote."""
        return cls(vectors, ids, np.load(folder / "centres.npy"), width)

    def save(self, folder: Path) -> None:
        """Writes the centres; ids and vectors are saved by seqvise."""
        np.save(folder / "centres.npy", self.centres)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Number of vectors that a search can return: all."""
        return len(self)

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The nearest vectors in the ``width`` nearest buckets, or in all buckets if these hold fewer than ``k``."""
        rows, count = checked_queries(queries, self.vectors.shape[1], k, len(self))
        answers = [self._search(row[None], count) for row in rows]
        ids, angles = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return Neighbours(ids, angles)

    def _search(self, query: Rows, count: int) -> tuple[Ids, Rows]:
        nearest_buckets, _ = nearest_rows(query, self.centres, min(self.width, len(self.centres)))
        candidates = np.flatnonzero(np.isin(self.buckets, nearest_buckets))
        if len(candidates) < count:
            candidates = np.arange(len(self))
        rows, angles = nearest_rows(query, np.asarray(self.vectors[candidates]), count)
        return self.ids[candidates[rows]], angles
