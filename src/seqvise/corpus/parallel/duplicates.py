"""Detects repeated pairs by a hash of eight bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RECENT = 1 << 22
_STEP = 8

Keys = NDArray[np.int64]


def pair_keys(sources: Sequence[str], targets: Sequence[str]) -> Keys:
    """(n,) a 64-bit hash of each pair, stable within one process only.

    Among 22 million distinct pairs, a collision has a probability of 1 in 76,000.
    """
    return np.fromiter(map(hash, zip(sources, targets, strict=True)), np.int64, len(sources))


class SeenPairs(Protocol):
    """A set of keys of pairs."""

    def add(self, keys: Keys) -> NDArray[np.bool_]:
        """Adds keys; returns (n,) whether each key was new. keys: (n,)."""
        ...


class ExactSeenPairs:
    """Remembers every key in eight bytes, and needs as much again while it sorts.

    The keys are in sorted runs, each at least eight times as long as the next. So there are few runs to search, and
    each key is merged only a few dozen times.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def add(self, keys: Keys) -> NDArray[np.bool_]:
        """See ``SeenPairs``."""
        distinct, first_rows = np.unique(keys, return_index=True)
        new = np.ones(len(distinct), np.bool_)
        for run in self._runs:
            new &= run[np.minimum(np.searchsorted(run, distinct), len(run) - 1)] != distinct
        self._add_run(distinct[new])
        return _mask(first_rows[new], len(keys))

    def _add_run(self, keys: Keys) -> None:
        if len(keys):
            self._runs.append(keys)
        while len(self._runs) > 1 and len(self._runs[-2]) < _STEP * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")  # merges two sorted runs in one pass
            self._runs.append(merged)


class RecentSeenPairs:
    """Remembers keys in a table of fixed size, where a new key overwrites an older one.

    No distinct pair is dropped, but a repeat far from its first occurrence may be kept.

    Args:
        size: slots of the table, a power of two.
    """

    def __init__(self, size: int = RECENT) -> None:
        self._table = np.zeros(size, np.int64)

    def add(self, keys: Keys) -> NDArray[np.bool_]:
        """See ``SeenPairs``."""
        distinct, first_rows = np.unique(keys, return_index=True)
        slots = distinct & (len(self._table) - 1)
        new = self._table[slots] != distinct
        self._table[slots] = distinct
        return _mask(first_rows[new], len(keys))


def _mask(rows: NDArray[np.intp], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[rows] = True
    return mask
