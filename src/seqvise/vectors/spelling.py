"""Finds words with a similar spelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 50_000
LETTERS = 64
CANDIDATES = 300
"""Words whose edit distance is computed."""


def nearest_spellings(word: str, words: Sequence[str], k: int) -> list[str]:
    """Up to k words by edit distance from ``word``, ignoring case; of equal distances the first in the list.

    An edit inserts, deletes or replaces a letter, or swaps two neighbours. The maximum distance is 2, or a third of the
    word's length if that is larger, and always less than its length. Only the ``CANDIDATES`` words with the most
    letters in common are compared.
    """
    query = word.casefold()
    max_distance = max(2, len(query) // 3)
    distances = [
        (edit_distance(query, words[row].casefold()), row) for row in _candidates(query, words, 2 * max_distance)
    ]
    return [words[row] for distance, row in sorted(distances)[:k] if distance <= max_distance and distance < len(query)]


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance with swaps of neighbours (optimal string alignment)."""
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


def _candidates(query: str, words: Sequence[str], max_difference: int) -> list[int]:
    """Rows of words whose letter counts differ by at most ``max_difference``: an edit changes them by at most two."""
    target = _letters([query])[0]
    rows, costs = [], []
    for start in range(0, len(words), CHUNK):
        cost = np.abs(_letters([word.casefold() for word in words[start : start + CHUNK]]) - target).sum(1)
        near = np.flatnonzero(cost <= max_difference)
        rows.append(near + start)
        costs.append(cost[near])
    if not rows:
        return []
    order = np.argsort(np.concatenate(costs), kind="stable")[:CANDIDATES]
    return [int(row) for row in np.concatenate(rows)[order]]


def _letters(words: Sequence[str]) -> NDArray[np.int16]:
    """(n, LETTERS) counts of letters in each word; letters with equal code modulo LETTERS share a column."""
    lengths = np.array([len(word) for word in words])
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32) % LETTERS
    cells = np.repeat(np.arange(len(words)), lengths) * LETTERS + codes
    return np.bincount(cells, minlength=len(words) * LETTERS).reshape(len(words), LETTERS).astype(np.int16)
