"""Exact nearest-neighbour search among the rows of an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.errors import UserError

Rows = NDArray[np.float32]


def unit_rows(vectors: ArrayLike, name: str, dim: int | None = None) -> Rows:
    """Normalizes vectors to length 1.

    Args:
        vectors: (N, D).
        name: what a vector is, such as ``query``, for messages.
        dim: the expected D; None for any.

    Raises:
        UserError: the shape is wrong, a number is not finite, or a vector is zero; names the first such vector.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2:
        raise UserError(f"The {name} vectors have shape {rows.shape}, but must be the rows of a matrix.")
    if dim is not None and rows.shape[1] != dim:
        raise UserError(f"A {name} has {rows.shape[1]} dimensions, but the vectors of the index have {dim}.")
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    for is_wrong, content in ((~np.isfinite(lengths), "a number that is not finite"), (lengths == 0, "zeros only")):
        if is_wrong.any():
            first = int(is_wrong.argmax())
            raise UserError(f"The vector of {name} {first + 1} holds {content}: it has no direction.")
    return np.asarray(rows / lengths[:, None], np.float32)


def checked_queries(queries: ArrayLike, dim: int, k: int, count: int) -> tuple[Rows, int]:
    """Normalized queries, and the number of results for each: ``k``, or ``count`` if there are fewer vectors.

    Raises:
        UserError: see ``unit_rows``; or ``k`` is below 1.
    """
    if k < 1:
        raise UserError(f"k is {k}, but must be at least 1.")
    return unit_rows(queries, "query", dim), min(k, count)


def angles_of(squared: NDArray[np.floating]) -> Rows:
    """Angles in radians from squared distances of unit vectors; more accurate for small angles than the arccosine."""
    half = np.sqrt(np.maximum(squared, 0.0)) / 2
    return np.asarray(2 * np.arcsin(np.minimum(half, 1.0)), np.float32)


RowIndices = NDArray[np.int64]
QUERIES, ROWS = 256, 16_384
"""Queries and rows per matrix product, whose scores take 16 MiB."""
MAX_GATHERED = 2**24
"""Maximum number of array elements gathered at once to compute angles."""


def nearest_rows(queries: Rows, table: Rows, k: int) -> tuple[RowIndices, Rows]:
    """The ``k`` rows at the smallest angles to each query.

    Args:
        queries: (Q, D) unit vectors.
        table: (N, D) unit vectors.
        k: at most N.

    Returns:
        rows of the table and angles in radians, both (Q, k), nearest first; ties are sorted by row.
    """
    step = max(1, min(QUERIES, MAX_GATHERED // max(k * table.shape[1], 1)))
    blocks = [_nearest(queries[start : start + step], table, k) for start in range(0, len(queries), step)]
    rows = [np.empty((0, k), np.int64), *(block_rows for block_rows, _ in blocks)]
    return np.concatenate(rows), np.concatenate([np.empty((0, k), np.float32), *(angles for _, angles in blocks)])


def _nearest(queries: Rows, table: Rows, k: int) -> tuple[RowIndices, Rows]:
    rows, scores = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for start in range(0, len(table), ROWS):
        block_scores = queries @ table[start : start + ROWS].T
        block_rows = _top_columns(block_scores, k)
        rows = np.concatenate([rows, block_rows + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(block_scores, block_rows, axis=1)], axis=1)
        best_columns = _top_columns(scores, k)
        rows, scores = np.take_along_axis(rows, best_columns, axis=1), np.take_along_axis(scores, best_columns, axis=1)
    return _sorted_by_angle(queries, table, rows)


def _top_columns(scores: Rows, k: int) -> RowIndices:
    """Columns of the ``k`` largest scores of each row, in any order; all columns if there are no more."""
    count = scores.shape[1]
    if count <= k:
        return np.broadcast_to(np.arange(count), scores.shape)
    return np.argpartition(scores, count - k, axis=1)[:, count - k :]


def _sorted_by_angle(queries: Rows, table: Rows, rows: RowIndices) -> tuple[RowIndices, Rows]:
    """The rows sorted by angle, computed from differences: dot products lose small angles to rounding."""
    differences = table[rows] - queries[:, None]
    angles = angles_of(np.einsum("qkd,qkd->qk", differences, differences))
    order = np.lexsort((rows, angles), axis=-1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(angles, order, axis=1)
