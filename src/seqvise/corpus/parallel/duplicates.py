"""Detects repeated pairs by a hash of eight bytes each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

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


class SeenPairs(ABC):
    """A set of keys of pairs."""

    def add(self, keys: Keys) -> NDArray[np.bool_]:
        """Adds keys; returns (n,) whether each key was new. keys: (n,)."""
        distinct, first_rows = np.unique(keys, return_index=True)
        mask = np.zeros(len(keys), np.bool_)
        mask[first_rows[self._add_distinct(distinct)]] = True
        return mask

    @abstractmethod
    def _add_distinct(self, keys: Keys) -> NDArray[np.bool_]:
        """Like ``add``, for ascending keys."""


class ExactSeenPairs(SeenPairs):
    """Remembers every key in eight bytes, and needs as much again while it sorts.

    The keys are in sorted runs, each at least eight times as long as the next. So there are few runs to search, and
    each key is merged only a few dozen times.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def _add_distinct(self, keys: Keys) -> NDArray[np.bool_]:
        new = np.ones(len(keys), np.bool_)
        for run in self._runs:
            new &= run[np.minimum(np.searchsorted(run, keys), len(run) - 1)] != keys
        self._add_run(keys[new])
        return new

    def _add_run(self, keys: Keys) -> None:
        if len(keys):
            self._runs.append(keys)
        while len(self._runs) > 1 and len(self._runs[-2]) < _STEP * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")  # merges two sorted runs in one pass
            self._runs.append(merged)


class RecentSeenPairs(SeenPairs):
    """Remembers keys in a table of fixed size, where a new key overwrites an older one.

    No distinct pair is dropped, but a repeat far from its first occurrence may be kept.

    Args:
        size: slots of the table, a power of two.
    """

    def __init__(self, size: int = RECENT) -> None:
        self._table = np.zeros(size, np.int64)

    def _add_distinct(self, keys: Keys) -> NDArray[np.bool_]:
        slots = keys & (len(self._table) - 1)
        new: NDArray[np.bool_] = self._table[slots] != keys
        self._table[slots] = keys
        return new
