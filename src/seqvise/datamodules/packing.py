"""Batches with a maximum number of tokens, including padding, and an equal number of batches in every epoch.

An order of rows is cut into batches that contain as many rows as fit. The number of batches depends on the order, but
training needs it in advance. So it is determined by a trial order. An order that needs more batches is sorted in larger
pools, which saves padding; if it needs fewer, its largest batches are halved.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Widths = NDArray[np.int64]
"""(n, 2), the padded length of each row in source and target."""
Order = Callable[[int, bool], Rows]
"""Maps a pool size to an order of rows; with the flag set, to the trial order, which all epochs and seeds share."""


def padded_widths(lengths: NDArray[np.int32], bucket: int) -> Widths:
    """(n, 2) padded lengths: sources are padded to a multiple of ``bucket``. lengths: (n, 2), source and target."""
    widths = lengths.astype(np.int64)
    widths[:, 0] = -(-widths[:, 0] // bucket) * bucket
    return widths


def packed_batches(widths: Widths, tokens: int, world: int, pool: int, order: Order) -> list[Rows]:
    """Batches for all processes together; the share of each process has at most ``tokens`` tokens with padding.

    Args:
        widths: (n, 2), from ``padded_widths``; two rows as wide as the widest must fit.
        tokens: maximum tokens of a batch of one process.
        world: number of processes; each gets every ``world``-th row of a batch, and at least one row.
        pool: initial number of rows that are sorted together.
        order: returns the order of rows.
    """
    rows = len(widths)
    count = max(len(_packed(order(size, True), widths, tokens, world)) for size in (pool, rows))
    while True:
        batches = _packed(order(pool, False), widths, tokens, world)
        if len(batches) <= count:
            return _halved(batches, count)
        pool = min(2 * pool, rows)  # with a single pool, the number is at most that of the trial


def _packed(order: Rows, widths: Widths, tokens: int, world: int) -> list[Rows]:
    cuts, start, ordered = [0], 0, widths[order]
    while start < len(order):
        start += _fitting(ordered[start:], tokens, world)
        cuts.append(start)
    if len(cuts) > 2:
        cuts[-2] = min(cuts[-2], len(order) - world)  # the last batch also has a row for each process
    return [order[begin:end] for begin, end in pairwise(cuts)]


def _fitting(widths: Widths, tokens: int, world: int) -> int:
    """Number of first rows that fit into a batch."""
    max_rows = world * (tokens // int(widths[0].sum()))
    columns = np.maximum.accumulate(widths[:max_rows], 0).sum(1)
    shares = np.arange(world, world + len(columns)) // world  # rows of the first process: 1, ..., 1, 2, ...
    return int(np.searchsorted(shares * columns, tokens, side="right"))


def _halved(batches: list[Rows], count: int) -> list[Rows]:
    """Halves the largest batches until there are ``count``."""
    while len(batches) < count:
        largest = max(range(len(batches)), key=lambda index: len(batches[index]))
        half = len(batches[largest]) // 2
        batches[largest : largest + 1] = [batches[largest][:half], batches[largest][half:]]
    return batches
