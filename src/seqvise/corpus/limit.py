"""Which items ``data.limit`` keeps: those of the lowest places, so that a larger limit keeps them too."""

from __future__ import annotations

import heapq
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.tokenizers import fold

Places = NDArray[np.float64]


def position(sentence: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but the seed and the sentence, case and spaces aside.

    Pairs that share their target sentence share the number, so they fall on the same side of any split.
    """
    salt = seed.to_bytes(8, "little", signed=True)
    hashed = blake2b(fold(sentence).lower().encode(), digest_size=8, salt=salt).digest()
    return (int.from_bytes(hashed, "little") >> 11) / 2**53


def drawn_place(text: str, seed: int, copy: int = 0) -> float:
    """The place of a text in the draw: a number in [0, 1) that depends on these arguments alone.

    It is another number than ``position``, which chooses the validation part. copy: counts the copies of one text.
    """
    return position(f"limit {copy} {text}", seed)


def lowest(places: Places, limit: int) -> NDArray[np.bool_]:
    """(N,) whether each item is among the ``limit`` lowest; of equal places the first count. places: (N,)."""
    kept = np.zeros(len(places), np.bool_)
    kept[np.argsort(places, kind="stable")[:limit]] = True
    return kept


class LowestPlaces:
    """Finds out while items arrive which cannot be among the ``limit`` lowest places any more.

    Args:
        limit: items kept; None keeps all.
        places: of the items that have arrived.
    """

    def __init__(self, limit: int | None, places: Places) -> None:
        self._limit = limit
        self._heap = [] if limit is None else np.sort(-places)[-limit:].tolist()  # ascending, as a heap may be

    def may_keep(self, place: float) -> bool:
        """Whether an item can still be among the lowest."""
        return self._limit is None or len(self._heap) < self._limit or place < -self._heap[0]

    def add(self, place: float) -> None:
        """Takes the place of an item that may be kept."""
        if self._limit is None:
            return
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, -place)
        else:
            heapq.heapreplace(self._heap, -place)
