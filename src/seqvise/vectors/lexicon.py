"""The words of a vector file, or its most frequent ones, with lookup, neighbours and spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest_file
from seqvise.vectors.spelling import nearest_spellings
from seqvise.vectors.store import (
    load_matrix,
    made_once,
    read_all,
    read_manifest,
    reading_folder,
    stem_of,
    write_manifest,
)
from seqvise.vectors.words import Subwords

FORMAT = 1
CHUNK = 65_536
"""Rows that are converted to float32 at once."""
SEPARATORS = ("_", "-", " ")
"""Separators of the words of a name, in the order of lookup."""
_SEPARATORS = re.compile("[_ -]+")

Floats = NDArray[np.float32]
Half = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words and their vectors, in the order of the file: the files of fastText and word2vec are sorted by frequency."""

    words: tuple[str, ...]  # W different words
    matrix: Half  # (W, D) float32 or float16, memory-mapped if loaded from a folder
    name: str = ""  # name of the vector file
    total: int = 0  # number of words of that file, including those that were not read
    subwords: Subwords | None = None  # vectors of subwords, if the file has them

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return self.row(word) is not None

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    @classmethod
    def read(cls, path: Path, cache: Path, limit: int | None = None) -> Lexicon:
        """A vector file through a memory-mapped store ``cache/vectors/<stem>-<hash>``, built on the first call.

        Args:
            path: a ``.bin``, ``.vec``, ``.txt`` (plain or gzip) or ``.npz`` file.
            limit: maximum number of words, from the start of the file.

        Raises:
            UserError: the file is missing or damaged; then nothing is written.
        """
        if not path.is_file():
            raise UserError(f"{path}: there is no such file of word vectors.")

        def write(folder: Path) -> None:
            whole = read_all(path, limit)
            cls(tuple(whole.words), whole.matrix, path.name, whole.total, whole.subwords).save(folder, np.float32)

        identity = ["lexicon", FORMAT, digest_file(path), limit]
        return cls.load(made_once(cache, stem_of(path), identity, write), cached=True)

    def save(self, folder: Path, dtype: type[np.float16] | type[np.float32] = np.float16) -> None:
        """Writes the lexicon to a new folder, with numbers of ``dtype``; float32 if a number exceeds float16."""
        shape = list(self.matrix.shape)
        manifest: dict[str, Any] = {"format": FORMAT, "name": self.name, "total": self.total, "shape": shape}
        with atomic_folder(folder) as temporary:
            _save_matrix(temporary / "vectors.npy", self.matrix, dtype)
            (temporary / "words.txt").write_bytes("".join(f"{word}\n" for word in self.words).encode())
            if self.subwords is not None:
                _save_matrix(temporary / "subwords.npy", self.subwords.matrix, dtype)
                manifest["subwords"] = [self.subwords.shortest, self.subwords.longest]
            write_manifest(temporary, manifest)

    @classmethod
    def load(cls, folder: Path, cached: bool = False) -> Lexicon:
        """The inverse of ``save``, with memory-mapped arrays. cached: see ``read_manifest``.

        Raises:
            UserError: the folder is not a complete lexicon, or a file is damaged.
        """
        with reading_folder(folder, **({} if cached else {"remedy": "create it again."})):
            manifest = read_manifest(folder, cached)
            words = tuple((folder / "words.txt").read_bytes().decode().split("\n")[:-1])
            matrix = load_matrix(folder, manifest["shape"], len(words))
            if manifest["format"] != FORMAT:
                raise ValueError(f"its format is {manifest['format']}, not {FORMAT}")
            return cls(words, matrix, manifest["name"], manifest["total"], _subwords(folder, manifest))

    def subset(self, limit: int, also: Iterable[str] = ()) -> Lexicon:
        """The ``limit`` most frequent words and the known words of ``also``, in the order of the file.

        Subwords are kept; ``without_subwords`` removes them.
        """
        rows = {row for word in also if (row := self.row(word)) is not None} | set(range(min(limit, len(self))))
        order = sorted(rows)
        return replace(self, words=tuple(self.words[row] for row in order), matrix=self.matrix[order])

    def without_subwords(self) -> Lexicon:
        """The same words without subwords, whose vectors can be larger than those of the words."""
        return replace(self, subwords=None)

    def row(self, word: str) -> int | None:
        """The row of a word or name: as written, else with other separators, else in another case; None if unknown.

        Of several casings the most frequent is used, which is the first in the file.
        """
        if (row := self._rows.get(word)) is not None:
            return row
        rows = (self._rows[variant] for variant in variants(word) if variant in self._rows)
        # All variants have the same folded form, so a word without a folded entry has none.
        folded = self._folded.get(fold(word))
        return None if folded is None else next(rows, folded)

    def vector(self, word: str) -> Floats | None:
        """(D,) the vector of a word or name, with the lookup of ``row``; None if unknown."""
        row = self.row(word)
        return None if row is None else np.asarray(self.matrix[row], np.float32)

    def from_subwords(self, word: str) -> Floats | None:
        """(D,) fastText's vector of a word from its subwords; None if the file has no subwords, or the word none."""
        return None if self.subwords is None else self.subwords.vector(word)

    def units(self, rows: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(n, D) the vectors of rows, normalised to length 1; zero vectors stay zero."""
        return unit_rows(np.asarray(self.matrix[np.asarray(rows, np.int64)], np.float32))

    @cached_property
    def norms(self) -> Floats:
        """(W,) the lengths of the vectors."""
        parts = [np.linalg.norm(part, axis=1) for _, part in self.parts()]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)

    @cached_property
    def mean_cosine(self) -> float:
        """The mean cosine between two different words, without zero vectors; 0 for fewer than two words."""
        total, count = np.zeros(self.dim), int((self.norms > 0).sum())
        for _, part in self.parts():
            total += unit_rows(part).sum(0, dtype=np.float64)
        return float((total @ total - count) / (count * (count - 1))) if count > 1 else 0.0

    def nearest(self, vector: Floats, k: int, without: Iterable[str] = ()) -> list[tuple[str, float]]:
        """The k words with the largest cosine to ``vector`` (D,), the nearest first.

        Args:
            k: number of words; fewer are returned if the lexicon is smaller.
            without: words that are excluded, such as those of the query.

        Raises:
            ValueError: the vector has another dimension, or a number that is not finite.
        """
        excluded = {row for word in without if (row := self.row(word)) is not None}
        rows, cosines = self.nearest_rows(np.asarray(vector)[None], k + len(excluded))
        pairs = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
        return [(self.words[row], cosine) for row, cosine in pairs if row not in excluded][:k]

    def nearest_rows(self, vectors: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
        """The nearest rows to each of (Q, D) vectors by cosine, and the cosines: (Q, k) each, the nearest first.

        Raises:
            ValueError: the vectors have another dimension, or a number that is not finite.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dim or not np.isfinite(vectors).all():
            raise ValueError(f"Vectors of shape {vectors.shape} must be finite and (Q, {self.dim}).")
        units = unit_rows(np.asarray(vectors, np.float32))
        scores = np.concatenate([units @ part.T for _, part in self.parts()], axis=1)
        scores /= np.maximum(self.norms, 1e-12)
        k = min(k, len(self))
        rows = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k else np.zeros((len(scores), 0), np.int64)
        cosines = np.take_along_axis(scores, rows, axis=1)
        # For equal cosines, the more frequent word is first.
        order = np.lexsort((rows, -cosines), axis=1)
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)

    def spelled_like(self, word: str, k: int) -> list[str]:
        """Up to k words with a similar spelling, see ``nearest_spellings``; more frequent words are first in ties."""
        return nearest_spellings(word, self.words, k)

    def parts(self) -> Iterator[tuple[int, Floats]]:
        """Blocks of the matrix as float32, each with the index of its first row."""
        for start in range(0, len(self.words), CHUNK):
            yield start, np.asarray(self.matrix[start : start + CHUNK], np.float32)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def _folded(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, word in enumerate(self.words):
            rows.setdefault(fold(word), row)
        return rows


def _save_matrix(path: Path, matrix: Half, dtype: type[np.float16] | type[np.float32]) -> None:
    starts = range(0, len(matrix), CHUNK)
    largest = max((float(np.abs(matrix[start : start + CHUNK]).max(initial=0)) for start in starts), default=0.0)
    kind = np.float32 if largest > float(np.finfo(np.float16).max) else dtype
    stored = np.lib.format.open_memmap(path, "w+", kind, matrix.shape)
    for start in starts:
        stored[start : start + CHUNK] = matrix[start : start + CHUNK]
    stored.flush()


def _subwords(folder: Path, manifest: dict[str, Any]) -> Subwords | None:
    if "subwords" not in manifest:
        return None
    matrix = np.load(folder / "subwords.npy", mmap_mode="r", allow_pickle=False)
    return Subwords(matrix, *manifest["subwords"])


def unit_rows(matrix: Floats) -> Floats:
    """(N, D) rows normalised to length 1; zero rows stay zero."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(lengths, 1e-12), np.float32)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, separated by underscores, hyphens or spaces."""
    return tuple(word for word in _SEPARATORS.split(name) if word)


def variants(name: str) -> Iterator[str]:
    """A name as written, then with each of the separators between its words."""
    yield name
    words = words_of(name)
    if len(words) > 1:
        yield from (separator.join(words) for separator in SEPARATORS)


def fold(name: str) -> str:
    """The normal form of a name: case-folded, with underscores between its words."""
    return _SEPARATORS.sub("_", name.strip("_ -") or name).casefold()
