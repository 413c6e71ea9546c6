"""Vectors as rows of length 1, checked; angles between them."""

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
