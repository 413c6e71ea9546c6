"""The index that compares with every vector: the oracle, to which vectors can be added and from which removed."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from seqvise.errors import UserError
from seqvise.retrieval.indexes.base import Ids, Neighbours
from seqvise.retrieval.indexes.nearest import Rows, checked_queries, nearest_rows, unit_rows
from seqvise.retrieval.options import GraphOptions

ROOM = 1.2
"""Rows that are made, to those needed, when vectors are added."""


class ExactIndex:
    """All vectors in one table. See ``Index``.

    Args:
        vectors: (N, D), of length 1.
        ids: (N,), ascending.
    """

    width = 0

    def __init__(self, vectors: Rows, ids: Ids) -> None:
        self._table, self.ids = np.asarray(vectors), ids

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:  # noqa: ARG003
        """The index; there is nothing to build."""
        return cls(vectors, ids)

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:  # noqa: ARG003
        """The index of these vectors; the folder holds nothing else."""
        return cls(vectors, ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Vectors that are compared: all."""
        return len(self)

    @property
    def vectors(self) -> Rows:
        """(N, D), of length 1."""
        return self._table[: len(self.ids)]

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The nearest vectors of each query. See ``Index.search``."""
        asked, count = checked_queries(queries, self._table.shape[1], k, len(self))
        places, angles = nearest_rows(asked, self.vectors, count)
        return Neighbours(self.ids[places], angles)

    def add(self, vectors: ArrayLike) -> Ids:
        """Puts vectors in and gives their ids, which follow the largest one.

        Args:
            vectors: (N, D), of any length above 0.

        Raises:
            UserError: as ``unit_rows``.
        """
        rows = unit_rows(vectors, "new vector", self._table.shape[1])
        count, first = len(self), int(self.ids[-1]) + 1 if len(self) else 0
        if count + len(rows) > len(self._table) or not self._table.flags.writeable:
            table = np.empty((int((count + len(rows)) * ROOM), self._table.shape[1]), np.float32)
            table[:count] = self.vectors
            self._table = table
        self._table[count : count + len(rows)] = rows
        added = np.arange(first, first + len(rows))
        self.ids = np.concatenate([self.ids, added])
        return added

    def remove(self, ids: ArrayLike) -> None:
        """Takes vectors out; the others keep their ids.

        Raises:
            UserError: there is no vector of such an id; nothing is removed then.
        """
        wanted = np.asarray(ids, np.int64)
        if len(strangers := np.setdiff1d(wanted, self.ids)):
            raise UserError(f"The index has no vector {strangers[0]}; nothing is removed.")
        kept = ~np.isin(self.ids, wanted)
        self._table, self.ids = self.vectors[kept], self.ids[kept]

    def save(self, folder: Path) -> None:
        """Writes nothing: ids and vectors are all there is."""
