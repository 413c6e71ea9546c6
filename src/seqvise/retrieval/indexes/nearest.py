"""The nearest rows of a table, found by comparing with all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.errors import UserError

Rows = NDArray[np.float32]


def unit_rows(vectors: ArrayLike, name: str, dim: int | None = None) -> Rows:
    """The vectors with length 1.

    Args:
        vectors: (N, D).
        name: what a vector is, as in ``query``, for the message.
        dim: the D that is wanted; None takes any.

    Raises:
        UserError: the shape is another, a number is not finite, or a vector has no direction; the first is named.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2:
        raise UserError(f"The {name} vectors have shape {rows.shape}, but must be rows of one table.")
    if dim is not None and rows.shape[1] != dim:
        raise UserError(f"A {name} has {rows.shape[1]} numbers, but the index holds vectors of {dim}.")
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    for wrong, told in ((~np.isfinite(lengths), "a number that is not finite"), (lengths == 0, "zeros only")):
        if wrong.any():
            first = int(wrong.argmax())
            raise UserError(f"The vector of {name} {first + 1} holds {told}: it has no direction.")
    return np.asarray(rows / lengths[:, None], np.float32)


def checked_queries(queries: ArrayLike, dim: int, k: int, count: int) -> tuple[Rows, int]:
    """Queries as unit rows, and how many answers each can have: ``k``, or all ``count`` where there are fewer.

    Raises:
        UserError: see ``unit_rows``; or ``k`` is below 1.
    """
    if k < 1:
        raise UserError(f"k is {k}, but must be at least 1.")
    return unit_rows(queries, "query", dim), min(k, count)


def angles_of(squared: NDArray[np.floating]) -> Rows:
    """Radians between unit vectors whose squared distances these are; sharp for small angles, as a cosine is not."""
    half = np.sqrt(np.maximum(squared, 0.0)) / 2
    return np.asarray(2 * np.arcsin(np.minimum(half, 1.0)), np.float32)


Places = NDArray[np.int64]
QUERIES, ROWS = 256, 16_384
"""Queries and rows that are multiplied at once: their scores take 16 MiB."""
GATHERED = 2**24
"""Numbers of the rows gathered at once to measure angles."""


def nearest_rows(queries: Rows, table: Rows, k: int) -> tuple[Places, Rows]:
    """The ``k`` rows at the smallest angles to each query.

    Args:
        queries: (Q, D), of length 1.
        table: (N, D), of length 1.
        k: at most N.

    Returns:
        places in the table and radians, both (Q, k), the nearest first and of equally near ones the first.
    """
    step = max(1, min(QUERIES, GATHERED // max(k * table.shape[1], 1)))
    found = [_nearest(queries[start : start + step], table, k) for start in range(0, len(queries), step)]
    places = [np.empty((0, k), np.int64), *(one for one, _ in found)]
    return np.concatenate(places), np.concatenate([np.empty((0, k), np.float32), *(angles for _, angles in found)])


def _nearest(queries: Rows, table: Rows, k: int) -> tuple[Places, Rows]:
    places, scores = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for start in range(0, len(table), ROWS):
        products = queries @ table[start : start + ROWS].T
        best = _largest(products, k)
        places = np.concatenate([places, best + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(products, best, axis=1)], axis=1)
        kept = _largest(scores, k)
        places, scores = np.take_along_axis(places, kept, axis=1), np.take_along_axis(scores, kept, axis=1)
    return _ranked(queries, table, places)


def _largest(scores: Rows, k: int) -> Places:
    """Columns of the ``k`` largest scores of each row, in any order; all columns where there are no more."""
    count = scores.shape[1]
    if count <= k:
        return np.broadcast_to(np.arange(count), scores.shape)
    return np.argpartition(scores, count - k, axis=1)[:, count - k :]


def _ranked(queries: Rows, table: Rows, places: Places) -> tuple[Places, Rows]:
    """The places by angle, which is measured anew: a product loses small angles to rounding."""
    apart = table[places] - queries[:, None]
    angles = angles_of(np.einsum("qkd,qkd->qk", apart, apart))
    order = np.lexsort((places, angles), axis=-1)
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(angles, order, axis=1)
