"""What every index of vectors can do."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.retrieval.options import EXACT, FAISS, NMSLIB, GraphOptions
from seqvise.retrieval.vectors import Rows

Ids = NDArray[np.int64]


class Found(NamedTuple):
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

    def search(self, queries: ArrayLike, k: int) -> Found:
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


CLASSES = {EXACT: "exact.ExactIndex", NMSLIB: "nmslib_graph.NmslibIndex", FAISS: "faiss_graph.FaissIndex"}


def find_kind(name: str) -> Kind:
    """The class of a kind of index: ``exact``, ``nmslib`` or ``faiss``."""
    module, _, found = CLASSES[name].partition(".")
    return cast(Kind, getattr(import_module(f"seqvise.retrieval.{module}"), found))
