"""The interface of all vector indexes, and helpers that approximate ones share."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.classes import find_class
from seqvise.errors import UserError
from seqvise.machine import usable_cores
from seqvise.retrieval.indexes.nearest import RowIndices, Rows, angles_of, nearest_rows
from seqvise.retrieval.options import EXACT, FAISS, NMSLIB, GraphOptions

Ids = NDArray[np.int64]


class Neighbours(NamedTuple):
    """Nearest neighbours of Q queries, nearest first.

    Attributes:
        ids: (Q, k) ids of the vectors.
        angles: (Q, k) angles in radians, from 0 to pi.
    """

    ids: Ids
    angles: Rows

    @property
    def cosines(self) -> Rows:
        """(Q, k) cosine similarities, from 1 down to -1."""
        return np.cos(self.angles)


class Index(Protocol):
    """A nearest-neighbour index of unit vectors.

    Attributes:
        width: candidates kept by a search (efSearch); 0 if all vectors are compared.
    """

    width: int

    @property
    def ids(self) -> Ids:
        """(N,) the vectors' ids, ascending."""
        ...

    @property
    def vectors(self) -> Rows:
        """(N, D) unit vectors; may be memory-mapped."""
        ...

    @property
    def points(self) -> int:
        """Number of vectors that a search can return: N, unless the loaded graph is damaged."""
        ...

    def __len__(self) -> int: ...

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The ``k`` nearest vectors of each query, or all vectors if there are fewer.

        Args:
            queries: (Q, D) vectors of any length above 0.
            k: at least 1.

        Raises:
            UserError: queries have another dimension, are zero or not finite; or ``k`` is below 1.
        """
        ...

    def save(self, folder: Path) -> None:
        """Writes the index's own files, without ids and vectors, into the folder."""
        ...


class Kind(Protocol):
    """Constructors of one kind of index."""

    def build(self, vectors: Rows, ids: Ids, options: GraphOptions) -> Index:
        """Builds an index of unit vectors; ids must ascend."""
        ...

    def load(self, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Index:
        """Loads the index that ``save`` wrote into the folder."""
        ...


METHODS = ("build", "load", "search", "save", "__len__")
CLASSES = {
    EXACT: "seqvise.retrieval.indexes.exact.ExactIndex",
    NMSLIB: "seqvise.retrieval.indexes.nmslib.NmslibIndex",
    FAISS: "seqvise.retrieval.indexes.faiss.FaissIndex",
}


def find_kind(name: str) -> Kind:
    """The class for a kind of index: ``exact``, ``nmslib``, ``faiss``, or the dotted path of a class of your own.

    Raises:
        UserError: there is no such class, or it lacks a method of ``Kind`` or ``Index``.
    """
    kind = find_class("index", CLASSES.get(name, name))
    if missing := [method for method in METHODS if not callable(getattr(kind, method, None))]:
        raise UserError(f"index is '{name}', but that class has no {', '.join(missing)}: see docs/extending.md.")
    return cast(Kind, kind)


log = logging.getLogger(__name__)
WIDTH = 64
"""Candidates kept by a search before the index is tuned (efSearch)."""


def quieten(package: str) -> None:
    """Sets a package's log level to WARNING, unless the user has set a level for it."""
    logger = logging.getLogger(package)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def thread_count(threads: int) -> int:
    """The number of threads to use; 0 means one per CPU core that this process may use."""
    return threads or usable_cores()


def complete_neighbours(queries: Rows, vectors: Rows, ids: Ids, rows: RowIndices, squared: Rows) -> Neighbours:
    """Converts a graph's results to ids and angles; replaces incomplete results by exact ones.

    A graph whose links do not reach all vectors returns fewer than k results if k is near the number of vectors. This
    is logged once.

    Args:
        queries, vectors: (Q, D) and (N, D) unit vectors.
        ids: (N,) ids of the vectors.
        rows: (Q, k) rows of the results in ``vectors``, -1 where the graph found none.
        squared: (Q, k) squared distances.
    """
    angles = angles_of(squared)
    incomplete = (rows < 0).any(axis=1)
    if incomplete.any():
        _log_exact_scan(rows.shape[1], len(vectors))
        rows, angles = rows.copy(), angles.copy()
        rows[incomplete], angles[incomplete] = nearest_rows(queries[incomplete], vectors, rows.shape[1])
    order = np.lexsort((rows, angles), axis=-1)
    return Neighbours(ids[np.take_along_axis(rows, order, axis=1)], np.take_along_axis(angles, order, axis=1))


@cache
def _log_exact_scan(k: int, count: int) -> None:
    """Logs, once per process, that the graph is too sparse for k results."""
    log.warning(
        "The graph of the index returns fewer than k=%s results for some queries: these are compared with all %s "
        "vectors, which takes longer.",
        f"{k:,}",
        f"{count:,}",
    )
