"""What approximate indexes share: a graph answers, and what it misses is looked up in the vectors."""

from __future__ import annotations

import numpy as np

from seqvise.machine import usable_cores
from seqvise.retrieval.index import Found, Ids
from seqvise.retrieval.nearest import Places, nearest_rows
from seqvise.retrieval.vectors import Rows, angles_of

WIDTH = 64
"""Candidates that a search keeps before the index is tuned."""


def threads_of(wanted: int) -> int:
    """The threads to use: as many as wanted; 0: one for each processor that this process may use."""
    return wanted or usable_cores()


def completed(queries: Rows, vectors: Rows, ids: Ids, places: Places, squared: Rows) -> Found:
    """A graph's answers as ids and angles, those that came short replaced by exact ones.

    Args:
        queries, vectors: (Q, D) and (N, D), of length 1.
        ids: (N,) of the vectors.
        places: (Q, k) of the answers among the vectors, -1 where the graph found none.
        squared: (Q, k) squared distances.
    """
    angles = angles_of(squared)
    short = (places < 0).any(axis=1)
    if short.any():
        places, angles = places.copy(), angles.copy()
        places[short], angles[short] = nearest_rows(queries[short], vectors, places.shape[1])
    order = np.lexsort((places, angles), axis=-1)
    return Found(ids[np.take_along_axis(places, order, axis=1)], np.take_along_axis(angles, order, axis=1))
