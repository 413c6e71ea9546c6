"""All words of a vector file, or its most frequent ones, with their neighbours and spellings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest, digest_file, locked
from seqvise.vectors.spelling import nearest_spellings
from seqvise.vectors.store import read_all, read_manifest, write_manifest
from seqvise.vectors.words import Subwords

FORMAT = 1
CHUNK = 65_536
"""Rows that are turned into float32 at once."""
JOINTS = ("_", "-", " ")
"""What stands between the words of a name, in the order in which a file is searched."""
_JOINT = re.compile("[_ -]+")

Floats = NDArray[np.float32]
Half = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words and their vectors, in the file's order: the files of fastText and word2vec are sorted by frequency.

    Attributes:
        words: W different words.
        matrix: (W, D) float32 or float16, mapped where it comes from a folder.
        name: of the file that the words come from.
        total: how many words that file has, with those that were left out.
        subwords: what it knows of parts of words.
    """

    words: tuple[str, ...]
    matrix: Half
    name: str = ""
    total: int = 0
    subwords: Subwords | None = None

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
        """A vector file as a mapped store in ``cache/vectors/<stem>-<hash>``, made where it is not there yet.

        Args:
            path: a ``.bin``, ``.vec``, ``.txt`` (plain or gzip) or ``.npz`` file.
            limit: read no more than so many of its first words.

        Raises:
            UserError: the file is missing or damaged; nothing is written then.
        """
        if not path.is_file():
            raise UserError(f"{path}: there is no such file of word vectors.")
        stem = path.name.removesuffix(".gz").rpartition(".")[0]
        folder = cache / "vectors" / f"{stem}-{digest(json.dumps(['lexicon', FORMAT, digest_file(path), limit]))}"
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                whole = read_all(path, limit)
                cls(tuple(whole.words), whole.matrix, path.name, whole.total, whole.subwords).save(folder, np.float32)
        return cls.load(folder, cached=True)

    def save(self, folder: Path, dtype: type[np.float16] | type[np.float32] = np.float16) -> None:
        """Writes all of it into a new folder, numbers as ``dtype``, or float32 where float16 cannot hold one."""
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "total": self.total,
            "shape": list(self.matrix.shape),
        }
        with atomic_folder(folder) as temporary:
            _save_matrix(temporary / "vectors.npy", self.matrix, dtype)
            (temporary / "words.txt").write_bytes("".join(f"{word}\n" for word in self.words).encode())
            if self.subwords is not None:
                _save_matrix(temporary / "subwords.npy", self.subwords.matrix, dtype)
                manifest["subwords"] = [self.subwords.shortest, self.subwords.longest]
            write_manifest(temporary, manifest)

    @classmethod
    def load(cls, folder: Path, cached: bool = False) -> Lexicon:
        """Maps what ``save`` wrote. cached: see ``read_manifest``.

        Raises:
            UserError: the folder holds no whole lexicon, or a file is not as it was written.
        """
        try:
            manifest = read_manifest(folder, cached)
            words = tuple((folder / "words.txt").read_bytes().decode().split("\n")[:-1])
            matrix = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
            if manifest["format"] != FORMAT or list(matrix.shape) != manifest["shape"] or len(matrix) != len(words):
                raise ValueError(f"{len(words):,} words, {matrix.shape} vectors, {manifest['shape']} promised")
            return cls(words, matrix, manifest["name"], manifest["total"], _subwords(folder, manifest))
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "delete it, and the next command makes it again." if cached else "make it again."
            raise UserError(f"{folder} is not a whole folder of word vectors ({error}): {remedy}") from None

    def subset(self, limit: int, also: Iterable[str] = ()) -> Lexicon:
        """The ``limit`` most frequent words, and those of ``also`` that are there, in the file's order.

        Subwords stay as they are; ``without_subwords`` leaves them out.
        """
        rows = {row for word in also if (row := self.row(word)) is not None} | set(range(min(limit, len(self))))
        order = sorted(rows)
        return replace(self, words=tuple(self.words[row] for row in order), matrix=self.matrix[order])

    def without_subwords(self) -> Lexicon:
        """The same words without what is known of their parts, which can be larger than all the rest."""
        return replace(self, subwords=None)

    def row(self, word: str) -> int | None:
        """The row of a word or name: as it is written, else with other signs between its words, else in other case.

        Of several casings the commonest wins, that is the first in the file. None where the file has none of them.
        """
        if (row := self._rows.get(word)) is not None:
            return row
        written = (self._rows[way] for way in spelled(word) if way in self._rows)
        # Whatever is written in one of these ways is found in the folded words too.
        folded = self._folded.get(fold(word))
        return None if folded is None else next(written, folded)

    def vector(self, word: str) -> Floats | None:
        """(D,) the vector of a word or name, found as ``row`` does."""
        row = self.row(word)
        return None if row is None else np.asarray(self.matrix[row], np.float32)

    def from_subwords(self, word: str) -> Floats | None:
        """(D,) the vector that fastText makes of a word's parts; None where the file knows none of them."""
        return None if self.subwords is None else self.subwords.vector(word)

    def units(self, rows: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(n, D) the vectors of rows, each of length 1; a vector of zeros stays one."""
        return unit_rows(np.asarray(self.matrix[np.asarray(rows, np.int64)], np.float32))

    @cached_property
    def norms(self) -> Floats:
        """(W,) the lengths of the vectors."""
        parts = [np.linalg.norm(part, axis=1) for _, part in self.parts()]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)

    @cached_property
    def likeness(self) -> float:
        """The mean cosine between two different words, zero vectors aside; 0 below two words."""
        total, count = np.zeros(self.dim), int((self.norms > 0).sum())
        for _, part in self.parts():
            total += unit_rows(part).sum(0, dtype=np.float64)
        return float((total @ total - count) / (count * (count - 1))) if count > 1 else 0.0

    def nearest(self, vector: Floats, k: int, without: Iterable[str] = ()) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine to ``vector`` (D,), the nearest first.

        Args:
            k: how many; fewer where the lexicon is smaller.
            without: words that are left out of the answer, such as those of the query.

        Raises:
            ValueError: the vector has another width, or a number that is not finite.
        """
        left_out = {row for word in without if (row := self.row(word)) is not None}
        rows, cosines = self.nearest_rows(np.asarray(vector)[None], k + len(left_out))
        pairs = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
        return [(self.words[row], cosine) for row, cosine in pairs if row not in left_out][:k]

    def nearest_rows(self, vectors: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
        """The rows nearest to each of (Q, D) vectors by cosine, and the cosines: (Q, k) each, the nearest first.

        Raises:
            ValueError: the vectors have another width, or a number that is not finite.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dim or not np.isfinite(vectors).all():
            raise ValueError(f"Vectors of shape {vectors.shape} must be finite and (Q, {self.dim}).")
        units = unit_rows(np.asarray(vectors, np.float32))
        scores = np.concatenate([units @ part.T for _, part in self.parts()], axis=1)
        scores /= np.maximum(self.norms, 1e-12)
        k = min(k, len(self))
        rows = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k else np.zeros((len(scores), 0), np.int64)
        found = np.take_along_axis(scores, rows, axis=1)
        # Of equal cosines the commoner word comes first.
        order = np.lexsort((rows, -found), axis=1)
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(found, order, axis=1)

    def spelled_like(self, word: str, k: int) -> list[str]:
        """The words whose spelling is nearest, none where nothing is near; of equally near ones the commonest first."""
        return nearest_spellings(word, self.words, k)

    def parts(self) -> Iterator[tuple[int, Floats]]:
        """The matrix in blocks of rows as float32, each with the number of its first row."""
        for start in range(0, len(self.words), CHUNK):
            yield start, np.asarray(self.matrix[start : start + CHUNK], np.float32)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def _folded(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row, word in enumerate(self.words):
            found.setdefault(fold(word), row)
        return found


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
    """(N, D) rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(lengths, 1e-12), np.float32)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, which stand between underscores, hyphens and spaces."""
    return tuple(word for word in _JOINT.split(name) if word)


def spelled(name: str) -> Iterator[str]:
    """A name as it is, then with each of the signs that can stand between its words."""
    yield name
    words = words_of(name)
    if len(words) > 1:
        yield from (joint.join(words) for joint in JOINTS)


def fold(name: str) -> str:
    """A name without case and with one sign between its words: what all its ways of writing have in common."""
    return _JOINT.sub("_", name.strip("_ -") or name).casefold()
