"""Word vectors, subwords, and the lookup of words in different casings."""

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
    """The vectors of character n-grams, hashed into buckets (Bojanowski et al. 2017, arXiv:1607.04606)."""

    matrix: NDArray[np.float32] | NDArray[np.float16]  # (B, D) a row for each bucket
    shortest: int  # length of the shortest n-gram in characters
    longest: int  # length of the longest n-gram in characters

    def vector(self, word: str) -> NDArray[np.float32] | None:
        """(D,) the mean of the vectors of a word's n-grams; None if it has none."""
        rows = [fnv1a_hash(part) % len(self.matrix) for part in ngrams(word, self.shortest, self.longest)]
        return np.asarray(self.matrix[rows], np.float32).mean(0) if rows else None


def ngrams(word: str, shortest: int, longest: int) -> Iterator[str]:
    """The n-grams of ``<word>`` in fastText's order, without ``<`` and ``>`` alone."""
    marked = f"<{word}>"
    for start in range(len(marked)):
        for end in range(start + 1, min(start + longest, len(marked)) + 1):
            alone = end - start == 1 and (start == 0 or end == len(marked))
            if end - start >= shortest and not alone:
                yield marked[start:end]


def fnv1a_hash(text: str) -> int:
    """fastText's 32-bit FNV-1a hash, in which bytes above 127 are negative numbers."""
    value = _OFFSET
    for byte in text.encode():
        signed = byte if byte < 128 else byte | 0xFFFFFF00
        value = (value ^ signed) * _PRIME & 0xFFFFFFFF
    return value


class Origin(IntEnum):
    """Origin of a word's vector."""

    MISSING = 0  # no vector: the row is zero
    EXACT = 1
    CASE = 2  # the vector of the word in another case
    SUBWORDS = 3  # computed from character n-grams


@dataclass(frozen=True)
class WordVectors:
    """A vector for each requested word."""

    words: tuple[str, ...]  # V words
    matrix: NDArray[np.float32]  # (V, D); rows of missing words are zero
    origins: NDArray[np.uint8]  # (V,) values of ``Origin``

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])


class WholeFile(NamedTuple):
    """The words of a vector file."""

    words: Sequence[str]  # W words, in the order of the file
    matrix: NDArray[np.float32]  # (W, D) vectors
    total: int  # number of words of the file, including those beyond the limit
    subwords: Subwords | None = None  # vectors of subwords, if the file has them


class Casings:
    """Matches words of a file with the requested words, in any case.

    A word is looked up as written, then in lower case, then in the case that is first in the file. The files of
    fastText and word2vec are sorted by frequency.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._lowered = frozenset(word.lower() for word in self._words)

    def match(self, written: str) -> bool:
        """Whether a word of a file equals a requested word, ignoring case."""
        return written in self._words or written.lower() in self._lowered


def resolve(words: Sequence[str], written: Mapping[str, NDArray[np.float32]], dim: int) -> WordVectors:
    """Selects a vector for each word, see ``Casings``. written: word -> vector, in the order of the file."""
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
