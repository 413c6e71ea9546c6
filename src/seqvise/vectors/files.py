"""Files of word vectors, by their ending."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqvise.errors import UserError
from seqvise.vectors.binary import binary_dim, read_binary
from seqvise.vectors.options import ENDINGS
from seqvise.vectors.text import read_text, text_dim
from seqvise.vectors.words import WordVectors


def file_dim(path: Path) -> int:
    """The width of a file's vectors, without reading them.

    Raises:
        UserError: the file has an unknown ending, or its head is damaged.
    """
    return binary_dim(path) if _is_binary(path) else text_dim(path)


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words in a ``.bin``, ``.vec`` or ``.txt`` file, the last two plain or gzip.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    return read_binary(path, words) if _is_binary(path) else read_text(path, words)


def _is_binary(path: Path) -> bool:
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path} is no file of word vectors: its name must end in one of {', '.join(ENDINGS)}.")
    return path.suffix == ".bin"
