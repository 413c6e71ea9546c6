"""Which words are written without a space beside them, learnt from how they stand in text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Joins(NamedTuple):
    """(V,) booleans each: a word takes no space before it (left), after it (right)."""

    left: NDArray[np.bool_]
    right: NDArray[np.bool_]


def find_joins(before: NDArray[np.int32], after: NDArray[np.int32], glued: NDArray[np.bool_], size: int) -> Joins:
    """The words that cause a missing space, from all neighbours in a text.

    A noun before a full stop has no space after it, but the stop is the cause. So causes are taken one by one, each
    time the one that explains most: a word's gain on one side is the number of its missing spaces there that no cause
    explains yet, less the number of its spaces. A gain of 1 may be a slip of the pen and explains nothing.

    Args:
        before, after: (n,) ids of neighbours.
        glued: (n,) whether no space stands between them.
        size: number of words V.
    """
    # Side 0 is a word's left, where it stands after its neighbour; side 1 is its right.
    gains = np.stack([_balance(after, glued, size), _balance(before, glued, size)])
    words, counts = _distinct_pairs(after[glued], before[glued], size)
    open_pairs = np.ones(len(counts), bool)
    joins = np.zeros((2, size), bool)
    while gains.size and gains.max() > 1:
        side, word = np.unravel_index(gains.argmax(), gains.shape)
        joins[side, word] = True
        explained = np.flatnonzero(open_pairs & (words[side] == word))
        open_pairs[explained] = False
        gains[side, word] = 0
        np.subtract.at(gains[1 - side], words[1 - side, explained], counts[explained])
    return Joins(*joins)


def _balance(words: NDArray[np.int32], glued: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """(V,) occurrences without a space less those with one."""
    return 2 * np.bincount(words[glued], minlength=size) - np.bincount(words, minlength=size)


def _distinct_pairs(
    left: NDArray[np.int32], right: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(2, pairs) the distinct pairs of words and (pairs,) how often each occurs."""
    keys, counts = np.unique(left.astype(np.int64) * size + right, return_counts=True)
    return np.stack([keys // max(size, 1), keys % max(size, 1)]), counts
