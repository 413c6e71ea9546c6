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


class PairJoins(NamedTuple):
    """(P,) each: pairs of words that are not written as ``Joins`` says of the two by themselves.

    Attributes:
        before, after: ids of the words.
        joined: whether no space stands between them.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    joined: NDArray[np.bool_]


def find_pair_joins(
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    glued: NDArray[np.bool_],
    joins: Joins,
    letters: NDArray[np.bool_],
) -> PairJoins:
    """The pairs that are usually written otherwise than by the rule for all others.

    The rule: no space where the first joins right or the second joins left, but a word of letters joins nothing. So
    "o'clock" joins "'" to "clock", and "the clock" keeps its space. Two words of letters are joined, as in "can|not",
    only if no space was ever seen between them. Otherwise the majority decides; one occurrence against the rule is a
    slip if the pair was also seen with a space, or has one where others have none.

    Args:
        before, after, glued: as for ``find_joins``.
        joins: what it found.
        letters: (V,) whether a word has letters alone.
    """
    size = len(letters)
    keys, which = np.unique(before.astype(np.int64) * size + after, return_inverse=True)
    apart = np.bincount(which[~glued], minlength=len(keys))
    together = np.bincount(which[glued], minlength=len(keys))
    first, second = keys // max(size, 1), keys % max(size, 1)
    rule = (joins.left & ~letters)[second] | (joins.right & ~letters)[first]
    of_letters = letters[first] & letters[second]
    joined = np.where(of_letters, apart == 0, together > apart)
    surplus = np.abs(together - apart)
    sure = of_letters | (surplus > 1) | (joined & (apart == 0))
    chosen = (joined != rule) & sure & (surplus > 0)
    return PairJoins(first[chosen], second[chosen], joined[chosen])


def _balance(words: NDArray[np.int32], glued: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """(V,) occurrences without a space less those with one."""
    return 2 * np.bincount(words[glued], minlength=size) - np.bincount(words, minlength=size)


def _distinct_pairs(
    left: NDArray[np.int32], right: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(2, pairs) the distinct pairs of words and (pairs,) how often each occurs."""
    keys, counts = np.unique(left.astype(np.int64) * size + right, return_counts=True)
    return np.stack([keys // max(size, 1), keys % max(size, 1)]), counts
