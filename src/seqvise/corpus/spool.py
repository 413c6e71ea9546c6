"""Tokens on their way to the store: kept on disk under provisional ids until the vocabulary is known."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from seqvise.corpus.joins import Joins, PairJoins, find_joins, find_pair_joins
from seqvise.corpus.journal import Journal
from seqvise.corpus.tokenizers import UP, Tokens
from seqvise.corpus.vocabulary import EOS

_CHUNK = 1 << 16
_JOIN_TOKENS = 4_000_000


class Lexicon(defaultdict[str, int]):
    """Numbers words in the order in which they are first asked for.

    Args:
        journal: keeps the words on disk.
        name: of the file, a word a line: no word holds white space.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        super().__init__(self.__len__)
        self._file = journal.open(name)
        known = journal.path(name).read_bytes().decode().split("\n")[:-1]
        self.update((word, index) for index, word in enumerate(known))
        self._written = len(self)

    def write(self) -> None:
        """Appends the new words to the file."""
        new = list(islice(self, self._written, None))
        self._file.write("".join(f"{word}\n" for word in new).encode())
        self._written = len(self)


class Spool:
    """The sentences of one side of one part, on disk as provisional ids.

    A token is stored as twice its provisional id, plus one if a space follows it.

    Args:
        journal: opens its files.
        name: of the files, less ``.ids`` and ``.lengths``.
        lexicon: numbers the words.
    """

    def __init__(self, journal: Journal, name: str, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._ids, self._lengths = journal.open(f"{name}.ids"), journal.open(f"{name}.lengths")
        self._paths = journal.path(f"{name}.ids"), journal.path(f"{name}.lengths")
        self._size = self._lengths.tell() // array("i").itemsize
        self._kept: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self._size

    def select(self, kept: NDArray[np.bool_]) -> None:
        """Leaves sentences out of all that is read from now on. kept: (sentences,)."""
        self._kept, self._size = kept, int(kept.sum())

    def add(self, tokens: Tokens) -> None:
        """Appends a sentence."""
        ids = map(self._lexicon.__getitem__, tokens.words)
        packed = array("i", [2 * index + spaced for index, spaced in zip(ids, tokens.spaced, strict=True)])
        self._ids.write(packed)
        self._lengths.write(array("i", [len(packed)]))
        self._size += 1

    def length_counts(self) -> NDArray[np.int64]:
        """(longest + 1,) sentences of each length in words, ``EOS`` not counted. Read when writing has ended."""
        total = np.zeros(1, np.int64)
        for lengths in self._length_chunks():
            found = np.bincount(lengths, minlength=len(total))
            found[: len(total)] += total
            total = found
        return total

    def counts(self) -> NDArray[np.int64]:
        """(words of the lexicon,) occurrences of each word. Read when writing has ended, as all that follows."""
        total = np.zeros(len(self._lexicon), np.int64)
        for _, tokens in self._chunks():
            total += np.bincount(tokens >> 1, minlength=len(total))
        return total

    def joins(self) -> Joins:
        """Which words of the lexicon are written without a space beside them; some million words are enough to tell."""
        before, after, glued = self._all_neighbours()
        return find_joins(before, after, glued, len(self._lexicon))

    def pair_joins(self, joins: Joins) -> PairJoins:
        """Which pairs of words are written otherwise than each by itself. joins: of the words."""
        letters = np.fromiter(map(str.isalpha, self._lexicon), np.bool_, len(self._lexicon))
        return find_pair_joins(*self._all_neighbours(), joins, letters)

    def _all_neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        mark = self._lexicon.get(UP, -1)
        parts = [np.zeros((3, 0), np.int32)]
        tokens_seen = 0
        for lengths, tokens in self._chunks():
            parts.append(_neighbours(lengths, tokens, mark))
            tokens_seen += len(tokens)
            if tokens_seen >= _JOIN_TOKENS:
                break
        before, after, spaced = np.concatenate(parts, axis=1)
        return before, after, spaced == 0

    def write_column(self, folder: Path, side: str, table: NDArray[np.int32], cut: int | None) -> None:
        """Writes ``<side>.ids.npy`` and ``<side>.offsets.npy`` with final ids and ``EOS`` at the end of each sentence.

        Args:
            table: (words of the lexicon,) final id of each provisional id.
            cut: most words of a sentence, ``EOS`` counted; None cuts nothing.
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
        """The lengths of all sentences, and which of them are selected; None where all are."""
        start = 0
        with self._paths[1].open("rb") as file:
            while len(chunk := np.fromfile(file, np.int32, _CHUNK)):
                yield chunk, None if self._kept is None else self._kept[start : start + len(chunk)]
                start += len(chunk)


def _with_ends(lengths: NDArray[np.int32], ids: NDArray[np.int32], cut: int | None) -> NDArray[np.int32]:
    """Cuts sentences that lie one after another and puts ``EOS`` behind each."""
    if cut is not None:
        place = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids, lengths = ids[place < cut - 1], np.minimum(lengths, cut - 1)
    return np.insert(ids, np.cumsum(lengths), EOS).astype(np.int32, copy=False)


def _neighbours(lengths: NDArray[np.int32], tokens: NDArray[np.int32], mark: int) -> NDArray[np.int32]:
    """(3, pairs): words, the words after them in the same sentence, and whether a space stands between."""
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    real = tokens >> 1 != mark
    tokens, sentence = tokens[real], sentence[real]
    within = sentence[:-1] == sentence[1:]
    return np.stack([tokens[:-1] >> 1, tokens[1:] >> 1, tokens[:-1] & 1])[:, within]
