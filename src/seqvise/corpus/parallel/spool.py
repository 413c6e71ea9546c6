"""Stores tokens on disk with provisional ids until the vocabulary is known."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from seqvise.corpus.parallel.journal import Journal
from seqvise.corpus.tokens.tokenizers import MARKS, Tokens
from seqvise.corpus.tokens.vocabulary import EOS


class Joins(NamedTuple):
    """(V,) booleans each: whether a word has no space before it (left) and after it (right)."""

    left: NDArray[np.bool_]
    right: NDArray[np.bool_]


def find_joins(before: NDArray[np.int32], after: NDArray[np.int32], glued: NDArray[np.bool_], size: int) -> Joins:
    """Finds the words that cause a missing space, from all neighbouring words of a text.

    A noun before a full stop has no space after it, but the stop is the cause. So causes are selected greedily by gain:
    the number of a word's missing spaces on one side that no earlier cause explains, minus the number of its spaces
    there. A gain of 1 may be a typing error and is ignored.

    Args:
        before, after: (n,) ids of neighbours.
        glued: (n,) whether there is no space between them.
        size: number of words V.
    """
    # Side 0 is the left of a word, where it is the second of the two neighbours; side 1 is its right.
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
    """Exceptions to ``Joins``: pairs of words. All fields have the shape (P,).

    Attributes:
        before, after: ids of the words.
        joined: whether there is no space between them.
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
    """Finds the pairs that are usually written differently from the rule.

    The rule: no space if the first word joins right or the second joins left, but a word of letters joins nothing. So
    "o'clock" joins "'" to "clock", and "the clock" keeps its space. Two words of letters are joined, as in "can|not",
    only if they never occur with a space between them. Otherwise the majority decides. A single occurrence against the
    rule is ignored if the pair also occurs with a space, or if the rule joins it.

    Args:
        before, after, glued: as for ``find_joins``.
        letters: (V,) whether a word consists of letters.
    """
    size = len(letters)
    keys, inverse = np.unique(before.astype(np.int64) * size + after, return_inverse=True)
    apart = np.bincount(inverse[~glued], minlength=len(keys))
    together = np.bincount(inverse[glued], minlength=len(keys))
    first, second = keys // max(size, 1), keys % max(size, 1)
    rule = (joins.left & ~letters)[second] | (joins.right & ~letters)[first]
    of_letters = letters[first] & letters[second]
    joined = np.where(of_letters, apart == 0, together > apart)
    surplus = np.abs(together - apart)
    sure = of_letters | (surplus > 1) | (joined & (apart == 0))
    chosen = (joined != rule) & sure & (surplus > 0)
    return PairJoins(first[chosen], second[chosen], joined[chosen])


def _balance(words: NDArray[np.int32], glued: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """(V,) occurrences without a space minus those with one."""
    return 2 * np.bincount(words[glued], minlength=size) - np.bincount(words, minlength=size)


def _distinct_pairs(
    left: NDArray[np.int32], right: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(2, pairs) the distinct pairs of words, and (pairs,) their numbers of occurrences."""
    keys, counts = np.unique(left.astype(np.int64) * size + right, return_counts=True)
    return np.stack([keys // max(size, 1), keys % max(size, 1)]), counts


_CHUNK = 1 << 16
_JOIN_TOKENS = 4_000_000


class TokenIds(defaultdict[str, int]):
    """Numbers words in the order of their first lookup.

    Args:
        journal: stores the words on disk.
        name: name of the file, with one word per line: no word contains white space.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        super().__init__(self.__len__)
        self._file = journal.open(name)
        stored = journal.path(name).read_bytes().decode().split("\n")[:-1]
        self.update((word, index) for index, word in enumerate(stored))
        self._written = len(self)

    def write(self) -> None:
        """Appends the new words to the file."""
        new = list(islice(self, self._written, None))
        self._file.write("".join(f"{word}\n" for word in new).encode())
        self._written = len(self)


class TokenSpool:
    """The sentences of one side of one part, stored on disk as provisional ids.

    A token is stored as twice its provisional id, plus one if a space follows it.

    Args:
        journal: opens the files.
        name: name of the files, without ``.ids`` and ``.lengths``.
        lexicon: numbers the words.
    """

    def __init__(self, journal: Journal, name: str, lexicon: TokenIds) -> None:
        self._lexicon = lexicon
        self._ids, self._lengths = journal.open(f"{name}.ids"), journal.open(f"{name}.lengths")
        self._paths = journal.path(f"{name}.ids"), journal.path(f"{name}.lengths")
        self._size = self._lengths.tell() // array("i").itemsize
        self._kept: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self._size

    def select(self, kept: NDArray[np.bool_]) -> None:
        """Restricts all further reading to some sentences. kept: (sentences,) whether each is read."""
        self._kept, self._size = kept, int(kept.sum())

    def add(self, tokens: Tokens) -> None:
        """Appends a sentence."""
        ids = map(self._lexicon.__getitem__, tokens.words)
        packed = array("i", [2 * index + spaced for index, spaced in zip(ids, tokens.spaced, strict=True)])
        self._ids.write(packed)
        self._lengths.write(array("i", [len(packed)]))
        self._size += 1

    def length_counts(self) -> NDArray[np.int64]:
        """(maximum length + 1,) sentences of each length, without ``EOS``. Call after the files are closed."""
        total = np.zeros(1, np.int64)
        for lengths in self._length_chunks():
            counts = np.bincount(lengths, minlength=len(total))
            counts[: len(total)] += total
            total = counts
        return total

    def counts(self) -> NDArray[np.int64]:
        """(words of the lexicon,) occurrences of each word. As all methods below, call after the files are closed."""
        total = np.zeros(len(self._lexicon), np.int64)
        for _, tokens in self._chunks():
            total += np.bincount(tokens >> 1, minlength=len(total))
        return total

    def joins(self) -> Joins:
        """The words of the lexicon that are written without a space, estimated from the first 4 million tokens."""
        before, after, glued = self._all_neighbours()
        return find_joins(before, after, glued, len(self._lexicon))

    def pair_joins(self, joins: Joins) -> PairJoins:
        """Pairs of words that are exceptions to ``joins``, the joins of single words."""
        letters = np.fromiter(map(str.isalpha, self._lexicon), np.bool_, len(self._lexicon))
        return find_pair_joins(*self._all_neighbours(), joins, letters)

    def _all_neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        marks = [self._lexicon.get(mark, -1) for mark in MARKS]
        parts = [np.zeros((3, 0), np.int32)]
        tokens_seen = 0
        for lengths, tokens in self._chunks():
            parts.append(_neighbours(lengths, tokens, marks))
            tokens_seen += len(tokens)
            if tokens_seen >= _JOIN_TOKENS:
                break
        before, after, spaced = np.concatenate(parts, axis=1)
        return before, after, spaced == 0

    def write_column(self, folder: Path, side: str, table: NDArray[np.int32], cut: int | None) -> None:
        """Writes ``<side>.ids.npy`` and ``<side>.offsets.npy`` with final ids and ``EOS`` at the end of each sentence.

        Args:
            table: (words of the lexicon,) final id of each provisional id.
            cut: maximum length of a sentence with ``EOS``; None truncates nothing.
        """
        counts = self.length_counts()
        kept = np.arange(len(counts)) if cut is None else np.minimum(np.arange(len(counts)), cut - 1)
        tokens_kept = int(counts @ (kept + 1))
        offsets = open_memmap(folder / f"{side}.offsets.npy", mode="w+", dtype=np.int64, shape=(len(self) + 1,))
        column = open_memmap(folder / f"{side}.ids.npy", mode="w+", dtype=np.int32, shape=(tokens_kept,))
        row = end = 0
        for lengths, tokens in self._chunks():
            offsets[row + 1 : row + 1 + len(lengths)] = end + np.cumsum(kept[lengths] + 1)
            row += len(lengths)
            ids = _with_ends(lengths, table[tokens >> 1], cut)
            column[end : end + len(ids)] = ids
            end += len(ids)
        column.flush()
        offsets.flush()

    def _length_chunks(self) -> Iterator[NDArray[np.int32]]:
        for lengths, kept in self._written():
            yield lengths if kept is None else lengths[kept]

    def _chunks(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        with self._paths[0].open("rb") as file:
            for lengths, kept in self._written():
                tokens = np.fromfile(file, np.int32, int(lengths.sum()))
                yield (lengths, tokens) if kept is None else (lengths[kept], tokens[np.repeat(kept, lengths)])

    def _written(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_] | None]]:
        """The lengths of all sentences, and whether each is selected; None if all are."""
        start = 0
        with self._paths[1].open("rb") as file:
            while len(chunk := np.fromfile(file, np.int32, _CHUNK)):
                yield chunk, None if self._kept is None else self._kept[start : start + len(chunk)]
                start += len(chunk)


def _with_ends(lengths: NDArray[np.int32], ids: NDArray[np.int32], cut: int | None) -> NDArray[np.int32]:
    """Truncates concatenated sentences and appends ``EOS`` to each."""
    if cut is not None:
        position = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids, lengths = ids[position < cut - 1], np.minimum(lengths, cut - 1)
    return np.insert(ids, np.cumsum(lengths), EOS).astype(np.int32, copy=False)


def _neighbours(lengths: NDArray[np.int32], tokens: NDArray[np.int32], marks: list[int]) -> NDArray[np.int32]:
    """(3, pairs): words, the next words of the same sentence, and whether there is a space between them."""
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    is_word = ~np.isin(tokens >> 1, marks)
    tokens, sentence = tokens[is_word], sentence[is_word]
    same_sentence = sentence[:-1] == sentence[1:]
    return np.stack([tokens[:-1] >> 1, tokens[1:] >> 1, tokens[:-1] & 1])[:, same_sentence]
