"""What every index of vectors can do."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.machine import usable_cores
from seqvise.retrieval.indexes.nearest import Places, Rows, angles_of, nearest_rows
from seqvise.retrieval.options import EXACT, FAISS, NMSLIB, GraphOptions

Ids = NDArray[np.int64]


class Neighbours(NamedTuple):
    """Answers to Q queries, the nearest first.

    Attributes:
        ids: (Q, k) of the vectors.
        angles: (Q, k) in radians, from 0 to pi.
    """

    ids: Ids
    angles: Rows

    @property
    def cosines(self) -> Rows:
        """(Q, k), from 1 down to -1."""
        return np.cos(self.angles)


class Index(Protocol):
    """Vectors that can be asked for the nearest ones.

    Attributes:
        width: candidates that a search keeps (efSearch); 0 where all vectors are compared.
    """

    width: int

    @property
    def ids(self) -> Ids:
        """(N,) one for each vector, ascending."""
        ...

    @property
    def vectors(self) -> Rows:
        """(N, D) of length 1; may be mapped from a file."""
        ...

    @property
    def points(self) -> int:
        """Vectors that the index answers with: N, unless what was loaded is damaged."""
        ...

    def __len__(self) -> int: ...

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The ``k`` nearest of each query, or all where there are fewer vectors than ``k``.

        Args:
            queries: (Q, D), of any length above 0.
            k: at least 1.

        Raises:
            UserError: queries of another width, without direction or not finite; or ``k`` below 1.
        """
        ...

    def save(self, folder: Path) -> None:
        """Writes what the kind needs beside ids and vectors into the folder."""
        ...


class Kind(Protocol):
    """How the indexes of one kind come into being."""

    def build(self, vectors: Rows, ids: Ids, options: GraphOptions) -> Index:
        """An index of unit rows; ids ascend."""
        ...

    def load(self, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Index:
        """The index that ``save`` has written into the folder, with its vectors."""
        ...


CLASSES = {
    EXACT: "seqvise.retrieval.indexes.exact.ExactIndex",
    NMSLIB: "seqvise.retrieval.indexes.nmslib.NmslibIndex",
    FAISS: "seqvise.retrieval.indexes.faiss.FaissIndex",
}


def find_kind(name: str) -> Kind:
    """The class of a kind of index: ``exact``, ``nmslib`` or ``faiss``."""
    module, _, found = CLASSES[name].rpartition(".")
    return cast(Kind, getattr(import_module(module), found))


log = logging.getLogger(__name__)
WIDTH = 64
"""Candidates that a search keeps before the index is tuned."""


def quieten(package: str) -> None:
    """Leaves out what a package logs of its build and its parameters, unless the user has chosen a level for it."""
    logger = logging.getLogger(package)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def threads_of(wanted: int) -> int:
    """The threads to use: as many as wanted; 0: one for each processor that this process may use."""
    return wanted or usable_cores()


def completed(queries: Rows, vectors: Rows, ids: Ids, places: Places, squared: Rows) -> Neighbours:
    """A graph's answers as ids and angles, those that came short replaced by exact ones.

    A graph whose links do not reach all vectors has fewer than k answers when k is near their number. One line tells
    of it.

    Args:
        queries, vectors: (Q, D) and (N, D), of length 1.
        ids: (N,) of the vectors.
        places: (Q, k) of the answers among the vectors, -1 where the graph found none.
        squared: (Q, k) squared distances.
    """
    angles = angles_of(squared)
    short = (places < 0).any(axis=1)
    if short.any():
        _warn_of_scan(places.shape[1], len(vectors))
        places, angles = places.copy(), angles.copy()
        places[short], angles[short] = nearest_rows(queries[short], vectors, places.shape[1])
    order = np.lexsort((places, angles), axis=-1)
    return Neighbours(ids[np.take_along_axis(places, order, axis=1)], np.take_along_axis(angles, order, axis=1))


@cache
def _warn_of_scan(k: int, count: int) -> None:
    """Logs once in a process that the graph is too sparse for k answers."""
    log.warning(
        "The graph of the index has fewer than k=%s answers to some queries: these are compared with all %s vectors, "
        "which takes longer.",
        f"{k:,}",
        f"{count:,}",
    )
