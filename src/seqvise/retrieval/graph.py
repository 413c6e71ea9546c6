"""What approximate indexes share: a graph answers, and a query whose answer is short is compared with all vectors."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np

from seqvise.machine import usable_cores
from seqvise.retrieval.index import Found, Ids
from seqvise.retrieval.nearest import Places, nearest_rows
from seqvise.retrieval.vectors import Rows, angles_of

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


def completed(queries: Rows, vectors: Rows, ids: Ids, places: Places, squared: Rows) -> Found:
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
    return Found(ids[np.take_along_axis(places, order, axis=1)], np.take_along_axis(angles, order, axis=1))


@cache
def _warn_of_scan(k: int, count: int) -> None:
    """Logs once in a process that the graph is too sparse for k answers."""
    log.warning(
        "The graph of the index has fewer than k=%s answers to some queries: these are compared with all %s vectors, "
        "which takes longer.",
        f"{k:,}",
        f"{count:,}",
    )
