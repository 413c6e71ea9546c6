"""Which pairs were seen before, told by eight bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RECENT = 1 << 22
_STEP = 8

Keys = NDArray[np.int64]


def pair_keys(sources: Sequence[str], targets: Sequence[str]) -> Keys:
    """(n,) a 64-bit hash of each pair, the same within one process only.

    Of 22 million distinct pairs, two have one hash with a chance of 1 in 76,000.
    """
    return np.fromiter(map(hash, zip(sources, targets, strict=True)), np.int64, len(sources))


class Seen(Protocol):
    """Remembers pairs by their keys."""

    def first(self, keys: Keys) -> NDArray[np.bool_]:
        """(n,) whether each key comes for the first time; from then on it is remembered. keys: (n,)."""
        ...


class EveryPair:
    """Remembers every key, in eight bytes each, and as many again while it sorts.

    The keys lie in sorted runs, each at least eight times as long as the next, so that there are few to look through
    and each key is merged only a few dozen times.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def first(self, keys: Keys) -> NDArray[np.bool_]:
        """See ``Seen``."""
        distinct, places = np.unique(keys, return_index=True)
        new = np.ones(len(distinct), np.bool_)
        for run in self._runs:
            new &= run[np.minimum(np.searchsorted(run, distinct), len(run) - 1)] != distinct
        self._remember(distinct[new])
        return _marked(places[new], len(keys))

    def _remember(self, keys: Keys) -> None:
        if len(keys):
            self._runs.append(keys)
        while len(self._runs) > 1 and len(self._runs[-2]) < _STEP * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")  # merges two sorted runs in one pass
            self._runs.append(merged)


class RecentPairs:
    """Remembers keys in a table of fixed size, a new key in the place of an older one: no pair is dropped wrongly, but
    a repeat of a pair that is long past may be kept.

    Args:
        size: keys that the table has room for, a power of two.
    """

    def __init__(self, size: int = RECENT) -> None:
        self._table = np.zeros(size, np.int64)

    def first(self, keys: Keys) -> NDArray[np.bool_]:
        """See ``Seen``."""
        distinct, places = np.unique(keys, return_index=True)
        slots = distinct & (len(self._table) - 1)
        new = self._table[slots] != distinct
        self._table[slots] = distinct
        return _marked(places[new], len(keys))


def _marked(places: NDArray[np.intp], size: int) -> NDArray[np.bool_]:
    marked = np.zeros(size, np.bool_)
    marked[places] = True
    return marked
