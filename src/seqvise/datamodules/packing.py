"""Batches that hold a number of tokens at most, padding counted, and are as many in every epoch.

An order is cut into batches that each take as many rows as fit. How many they are depends on the order, but training
wants to know it beforehand. So the number is that of a trial order; an order that needs more is sorted in larger pools,
which saves padding, and one that needs fewer has its largest batches halved.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Widths = NDArray[np.int64]
"""(n, 2), the columns that each row takes in source and target."""
Order = Callable[[int, bool], Rows]
"""The order of rows for a size of pools; the flag asks for that of a trial, which every epoch and seed share."""


def padded_widths(lengths: NDArray[np.int32], bucket: int) -> Widths:
    """What rows take: sources are padded to a multiple of ``bucket``. lengths: (n, 2), source and target."""
    widths = lengths.astype(np.int64)
    widths[:, 0] = -(-widths[:, 0] // bucket) * bucket
    return widths


def packed_batches(widths: Widths, tokens: int, world: int, pool: int, order: Order) -> list[Rows]:
    """Batches for all processes together, of which no process's share has more than so many tokens with its padding.

    Args:
        widths: of all rows; two rows as wide as the widest must fit.
        tokens: of a batch of one process.
        world: processes; each gets every ``world``-th row of a batch, and at least one.
        pool: rows that are sorted together at first.
        order: of the rows.
    """
    rows = len(widths)
    count = max(len(_packed(order(size, True), widths, tokens, world)) for size in (pool, rows))
    while True:
        batches = _packed(order(pool, False), widths, tokens, world)
        if len(batches) <= count:
            return _halved(batches, count)
        pool = min(2 * pool, rows)  # one pool is sorted throughout, and then as many as in the trial


def _packed(order: Rows, widths: Widths, tokens: int, world: int) -> list[Rows]:
    cuts, start, ordered = [0], 0, widths[order]
    while start < len(order):
        start += _fitting(ordered[start:], tokens, world)
        cuts.append(start)
    if len(cuts) > 2:
        cuts[-2] = min(cuts[-2], len(order) - world)  # the last batch, too, has a row for each process
    return [order[begin:end] for begin, end in pairwise(cuts)]


def _fitting(widths: Widths, tokens: int, world: int) -> int:
    """How many of the first rows make a batch."""
    most = world * (tokens // int(widths[0].sum()))
    columns = np.maximum.accumulate(widths[:most], 0).sum(1)
    shares = np.arange(world, world + len(columns)) // world  # rows of the first process: 1, ..., 1, 2, ...
    return int(np.searchsorted(shares * columns, tokens, side="right"))


def _halved(batches: list[Rows], count: int) -> list[Rows]:
    """So many batches, of which the largest are halved."""
    while len(batches) < count:
        place = max(range(len(batches)), key=lambda index: len(batches[index]))
        half = len(batches[place]) // 2
        batches[place : place + 1] = [batches[place][:half], batches[place][half:]]
    return batches
