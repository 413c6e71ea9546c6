"""Vectors found for the words of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

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


class Origin(IntEnum):
    """Where a word's vector comes from."""

    MISSING = 0  # nowhere; its row is zero
    EXACT = 1
    CASE = 2  # the same word written with other capitals
    SUBWORDS = 3  # the sum of its character n-grams


@dataclass(frozen=True)
class WordVectors:
    """A vector for each word that was asked for.

    Attributes:
        words: the words, V of them.
        matrix: (V, D); rows of missing words are zero.
        origins: (V,), an ``Origin`` each.
    """

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    origins: NDArray[np.uint8]

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])


class WholeFile(NamedTuple):
    """The words of a vector file.

    Attributes:
        words: W of them, in the file's order.
        matrix: (W, D).
        total: how many words the file has, with those that were left out.
        subwords: what it knows of parts of words.
    """

    words: Sequence[str]
    matrix: NDArray[np.float32]
    total: int
    subwords: Subwords | None = None


class Casings:
    """The ways of writing the words asked for, from the nearest to the farthest.

    A word is looked for as it is, then in lower case, then in whatever case comes first in a list that is sorted by
    frequency, as the files of fastText and word2vec are.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._lowered = frozenset(word.lower() for word in self._words)

    def concern(self, written: str) -> bool:
        """Whether a word of a file could stand for one of those asked for."""
        return written in self._words or written.lower() in self._lowered


def resolve(words: Sequence[str], written: Mapping[str, NDArray[np.float32]], dim: int) -> WordVectors:
    """Chooses a vector for each word. written: vectors by word, in the order of the file that they come from."""
    by_lower: dict[str, NDArray[np.float32]] = {}
    for word, vector in written.items():
        by_lower.setdefault(word.lower(), vector)
    matrix = np.zeros((len(words), dim), np.float32)
    origins = np.zeros(len(words), np.uint8)
    for row, word in enumerate(words):
        lowered = word.lower()
        for mapping, written_as, origin in (
            (written, word, Origin.EXACT),
            (written, lowered, Origin.CASE),
            (by_lower, lowered, Origin.CASE),
        ):
            if written_as in mapping:
                matrix[row], origins[row] = mapping[written_as], origin
                break
    return WordVectors(tuple(words), matrix, origins)
