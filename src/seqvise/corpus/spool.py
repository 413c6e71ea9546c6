"""Tokens on their way to the store: kept on disk under provisional ids until the vocabulary is known."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from seqvise.corpus.joins import Joins, find_joins
from seqvise.corpus.tokenizers import UP, Tokens
from seqvise.corpus.vocabulary import EOS

_CHUNK = 1 << 16
_JOIN_TOKENS = 4_000_000


class Lexicon(defaultdict[str, int]):
    """Numbers words in the order in which they are first asked for."""

    def __init__(self) -> None:
        super().__init__(self.__len__)


class Spool:
    """The sentences of one side of one part, on disk as provisional ids.

    A token is stored as twice its provisional id, plus one if a space follows it.
    """

    def __init__(self, path: Path, lexicon: Lexicon) -> None:
        self._path = path
        self._lexicon = lexicon
        self._file = path.open("wb")
        self._lengths = array("i")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, tokens: Tokens) -> None:
        """Appends a sentence."""
        ids = map(self._lexicon.__getitem__, tokens.words)
        packed = array("i", [2 * index + spaced for index, spaced in zip(ids, tokens.spaced, strict=True)])
        self._file.write(packed)
        self._lengths.append(len(packed))

    def close(self) -> None:
        """Ends writing; the other methods read."""
        self._file.close()

    @property
    def lengths(self) -> NDArray[np.int32]:
        """(n,) words of each sentence, ``EOS`` not counted."""
        return np.array(self._lengths, np.int32)

    def counts(self) -> NDArray[np.int64]:
        """(words of the lexicon,) occurrences of each word."""
        total = np.zeros(len(self._lexicon), np.int64)
        for _, tokens in self._chunks():
            total += np.bincount(tokens >> 1, minlength=len(total))
        return total

    def joins(self) -> Joins:
        """Which words of the lexicon are written without a space beside them; some million words are enough to tell."""
        size = len(self._lexicon)
        mark = self._lexicon.get(UP, -1)
        parts = [np.zeros((3, 0), np.int32)]
        tokens_seen = 0
        for lengths, tokens in self._chunks():
            parts.append(_neighbours(lengths, tokens, mark))
            tokens_seen += len(tokens)
            if tokens_seen >= _JOIN_TOKENS:
                break
        before, after, spaced = np.concatenate(parts, axis=1)
        return find_joins(before, after, spaced == 0, size)

    def write_column(self, folder: Path, side: str, table: NDArray[np.int32], cut: int | None) -> None:
        """Writes ``<side>.ids.npy`` and ``<side>.offsets.npy`` with final ids and ``EOS`` at the end of each sentence.

        Args:
            table: (words of the lexicon,) final id of each provisional id.
            cut: most words of a sentence, ``EOS`` counted; None cuts nothing.
        """
        kept = self.lengths if cut is None else np.minimum(self.lengths, cut - 1)
        offsets = np.concatenate([[0], np.cumsum(kept + 1, dtype=np.int64)])
        np.save(folder / f"{side}.offsets.npy", offsets)
        column = open_memmap(folder / f"{side}.ids.npy", mode="w+", dtype=np.int32, shape=(int(offsets[-1]),))
        end = 0
        for lengths, tokens in self._chunks():
            ids = _with_ends(lengths, table[tokens >> 1], cut)
            column[end : end + len(ids)] = ids
            end += len(ids)
        column.flush()

    def _chunks(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        lengths = self.lengths
        with self._path.open("rb") as file:
            for start in range(0, len(lengths), _CHUNK):
                chunk = lengths[start : start + _CHUNK]
                yield chunk, np.fromfile(file, np.int32, int(chunk.sum()))


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
