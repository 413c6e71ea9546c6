"""The exact index: compares queries with all vectors, and supports adding and removing vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from seqvise.errors import UserError
from seqvise.retrieval.indexes.base import Ids, Neighbours
from seqvise.retrieval.indexes.nearest import Rows, checked_queries, nearest_rows, unit_rows
from seqvise.retrieval.options import GraphOptions

GROWTH = 1.2
"""Ratio of allocated to needed rows when vectors are added."""


class ExactIndex:
    """All vectors in one array. See ``Index``.

    Args:
        vectors: (N, D) unit vectors.
        ids: (N,) ascending ids.
    """

    width = 0

    def __init__(self, vectors: Rows, ids: Ids) -> None:
        self._table, self.ids = np.asarray(vectors), ids

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:  # noqa: ARG003
        """Wraps the vectors; there is nothing to build."""
        return cls(vectors, ids)

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:  # noqa: ARG003
        """Wraps the vectors; the folder has no other files of the index."""
        return cls(vectors, ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Number of vectors that a search can return: all."""
        return len(self)

    @property
    def vectors(self) -> Rows:
        """(N, D) unit vectors."""
        return self._table[: len(self.ids)]

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The exact nearest vectors of each query. See ``Index.search``."""
        unit_queries, count = checked_queries(queries, self._table.shape[1], k, len(self))
        rows, angles = nearest_rows(unit_queries, self.vectors, count)
        return Neighbours(self.ids[rows], angles)

    def add(self, vectors: ArrayLike) -> Ids:
        """Adds vectors and returns their ids, which follow the largest existing id.

        Args:
            vectors: (N, D) vectors of any length above 0.

        Raises:
            UserError: see ``unit_rows``.
        """
        rows = unit_rows(vectors, "new vector", self._table.shape[1])
        count, first = len(self), int(self.ids[-1]) + 1 if len(self) else 0
        if count + len(rows) > len(self._table) or not self._table.flags.writeable:
            table = np.empty((int((count + len(rows)) * GROWTH), self._table.shape[1]), np.float32)
            table[:count] = self.vectors
            self._table = table
        self._table[count : count + len(rows)] = rows
        added = np.arange(first, first + len(rows))
        self.ids = np.concatenate([self.ids, added])
        return added

    def remove(self, ids: ArrayLike) -> None:
        """Removes vectors; the others keep their ids.

        Raises:
            UserError: an id does not exist; then nothing is removed.
        """
        removed = np.asarray(ids, np.int64)
        if len(unknown := np.setdiff1d(removed, self.ids)):
            raise UserError(f"The index has no vector {unknown[0]}; nothing is removed.")
        kept = ~np.isin(self.ids, removed)
        self._table, self.ids = self.vectors[kept], self.ids[kept]

    def save(self, folder: Path) -> None:
        """Writes nothing: the index consists of ids and vectors only."""
