"""Vectors that fastText makes of a word's parts, without fastText."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OFFSET, _PRIME = 2166136261, 16777619


@dataclass(frozen=True, eq=False)
class Subwords:
    """The vectors of character n-grams, which share rows by their hash (Bojanowski et al. 2017, arXiv:1607.04606).

    Attributes:
        matrix: (B, D) a row for each value of the hash.
        shortest: characters of the shortest n-gram.
        longest: of the longest.
    """

    matrix: NDArray[np.float32] | NDArray[np.float16]
    shortest: int
    longest: int

    def vector(self, word: str) -> NDArray[np.float32] | None:
        """(D,) the mean of the vectors of a word's n-grams; None where it has none."""
        rows = [hashed(part) % len(self.matrix) for part in ngrams(word, self.shortest, self.longest)]
        return np.asarray(self.matrix[rows], np.float32).mean(0) if rows else None


def ngrams(word: str, shortest: int, longest: int) -> Iterator[str]:
    """The n-grams of ``<word>`` in fastText's order; neither sign stands alone."""
    marked = f"<{word}>"
    for start in range(len(marked)):
        for end in range(start + 1, min(start + longest, len(marked)) + 1):
            alone = end - start == 1 and (start == 0 or end == len(marked))
            if end - start >= shortest and not alone:
                yield marked[start:end]


def hashed(text: str) -> int:
    """fastText's FNV-1a hash of 32 bits, in which bytes above 127 count as negative numbers."""
    value = _OFFSET
    for byte in text.encode():
        signed = byte if byte < 128 else byte | 0xFFFFFF00
        value = (value ^ signed) * _PRIME & 0xFFFFFFFF
    return value
