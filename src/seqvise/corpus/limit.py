"""Which items ``data.limit`` keeps: those with the lowest ranks, so that a larger limit keeps them too."""

from __future__ import annotations

import heapq
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.tokenizers import fold

Ranks = NDArray[np.float64]


def unit_hash(sentence: str, seed: int) -> float:
    """A hash in [0, 1) of the sentence and the seed; case and white space are ignored.

    Pairs with the same target sentence have the same hash, so any split keeps them together.
    """
    salt = seed.to_bytes(8, "little", signed=True)
    hashed = blake2b(fold(sentence).lower().encode(), digest_size=8, salt=salt).digest()
    return (int.from_bytes(hashed, "little") >> 11) / 2**53


def draw_rank(text: str, seed: int, copy: int = 0) -> float:
    """The rank of a text in the draw of ``data.limit``: a number in [0, 1) that depends on these arguments alone.

    It is independent of ``unit_hash(text, seed)``, which selects the validation part. copy: number of the copy.
    """
    return unit_hash(f"limit {copy} {text}", seed)


def lowest(ranks: Ranks, limit: int) -> NDArray[np.bool_]:
    """(N,) whether each item has one of the ``limit`` lowest ranks; the first of equal ranks wins. ranks: (N,)."""
    kept = np.zeros(len(ranks), np.bool_)
    kept[np.argsort(ranks, kind="stable")[:limit]] = True
    return kept


class LowestRanks:
    """Rejects items of a stream that can no longer be among the ``limit`` lowest ranks.

    Args:
        limit: items kept; None keeps all.
        ranks: ranks of the items added so far.
    """

    def __init__(self, limit: int | None, ranks: Ranks) -> None:
        self._limit = limit
        self._heap = [] if limit is None else np.sort(-ranks)[-limit:].tolist()  # ascending, as a heap may be

    def may_keep(self, rank: float) -> bool:
        """Whether an item can still be among the lowest."""
        return self._limit is None or len(self._heap) < self._limit or rank < -self._heap[0]

    def add(self, rank: float) -> None:
        """Adds the rank of an item that may be kept."""
        if self._limit is None:
            return
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, -rank)
        else:
            heapq.heapreplace(self._heap, -rank)
