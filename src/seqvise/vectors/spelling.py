"""Words that are spelled like another one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 50_000
LETTERS = 64
LIKELY = 300
"""Words whose letters are compared in their order."""


def nearest_spellings(word: str, words: Sequence[str], k: int) -> list[str]:
    """Up to k of the words, by edits from ``word``, case aside; of equally near ones the first.

    An edit puts in, takes out or changes a letter, or exchanges two neighbours. Words that differ by more than two
    letters and more than a third of all, or by as many as there are, are not like it. No more than the ``LIKELY``
    words with the most letters in common are looked at.
    """
    wanted = word.casefold()
    most = max(2, len(wanted) // 3)
    found = [(edits(wanted, words[row].casefold()), row) for row in _likely(wanted, words, 2 * most)]
    return [words[row] for distance, row in sorted(found)[:k] if distance <= most and distance < len(wanted)]


def edits(first: str, second: str) -> int:
    """The edits from one word to the other: Levenshtein's, and exchanges of neighbours (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            best = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 < column and letter == second[column - 2] and first[row - 2] == other:
                best = min(best, before[column - 2] + 1)
            current.append(best)
        before, above = above, current
    return above[-1]


def _likely(wanted: str, words: Sequence[str], most: int) -> list[int]:
    """Rows of words whose counts of letters differ by ``most`` at most: an edit changes them by two at most."""
    target = _letters([wanted])[0]
    rows, costs = [], []
    for start in range(0, len(words), CHUNK):
        cost = np.abs(_letters([word.casefold() for word in words[start : start + CHUNK]]) - target).sum(1)
        near = np.flatnonzero(cost <= most)
        rows.append(near + start)
        costs.append(cost[near])
    if not rows:
        return []
    order = np.argsort(np.concatenate(costs), kind="stable")[:LIKELY]
    return [int(row) for row in np.concatenate(rows)[order]]


def _letters(words: Sequence[str]) -> NDArray[np.int16]:
    """(n, LETTERS) how often each letter stands in each word; letters share a column by their code."""
    lengths = np.array([len(word) for word in words])
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32) % LETTERS
    places = np.repeat(np.arange(len(words)), lengths) * LETTERS + codes
    return np.bincount(places, minlength=len(words) * LETTERS).reshape(len(words), LETTERS).astype(np.int16)
