"""Files of word vectors, by their ending."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqvise.errors import UserError
from seqvise.vectors.arrays import arrays_dim, read_all_arrays, read_arrays
from seqvise.vectors.binary import binary_dim, read_all_binary, read_binary
from seqvise.vectors.options import ENDINGS
from seqvise.vectors.text import read_all_text, read_text, text_dim
from seqvise.vectors.words import WholeFile, WordVectors

_DIMS = {".bin": binary_dim, ".npz": arrays_dim}
_READERS = {".bin": read_binary, ".npz": read_arrays}
_WHOLE = {".bin": read_all_binary, ".npz": read_all_arrays}


def file_dim(path: Path) -> int:
    """The width of a file's vectors, without reading them.

    Raises:
        UserError: the file has an unknown ending, or its head is damaged.
    """
    return _DIMS.get(_kind(path), text_dim)(path)


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words in a ``.bin``, ``.npz``, ``.vec`` or ``.txt`` file, the last two plain or gzip.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    return _READERS.get(_kind(path), read_text)(path, words)


def read_all(path: Path, limit: int | None = None) -> WholeFile:
    """The first ``limit`` words of a file and their vectors.

    Of a word that stands there twice the first counts; a word that holds a line break is left out.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    whole = _WHOLE.get(_kind(path), read_all_text)(path, limit)
    first = {word: row for row, word in reversed(list(enumerate(whole.words))) if word and "\n" not in word}
    if len(first) == len(whole.words):
        return whole
    rows = sorted(first.values())
    return whole._replace(words=[whole.words[row] for row in rows], matrix=whole.matrix[rows])


def _kind(path: Path) -> str:
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path} is no file of word vectors: its name must end in one of {', '.join(ENDINGS)}.")
    return path.suffix
