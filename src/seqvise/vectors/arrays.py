"""Vectors in a NumPy ``.npz`` file: an array of words or synset ids, and an array of vectors."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.vectors.words import WholeFile, WordVectors, resolve

WORDS = ("words", "wnids")
"""Possible names of the array of words."""
VECTORS = "vectors"


def arrays_dim(path: Path) -> int:
    """The dimension of the vectors."""
    return int(_read(path)[1].shape[1])


def read_arrays(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words."""
    known, matrix = _read(path)
    written: dict[str, NDArray[np.float32]] = {}
    for word, vector in zip(known, matrix, strict=True):
        written.setdefault(word, vector)
    return resolve(words, written, matrix.shape[1])


def read_all_arrays(path: Path, limit: int | None) -> WholeFile:
    """The first ``limit`` words and their vectors."""
    words, matrix = _read(path)
    return WholeFile(words[:limit], matrix[:limit], len(words))


def _read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Words and vectors; a ``UserError`` if the file is damaged, or lacks one of the two arrays."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            name = next((name for name in WORDS if name in arrays), None)
            if name is None or VECTORS not in arrays:
                raise UserError(
                    f"{path} contains the arrays {', '.join(arrays) or '(none)'}, but must contain '{VECTORS}' and "
                    f"'{WORDS[0]}' or '{WORDS[1]}'."
                )
            words, matrix = arrays[name], np.asarray(arrays[VECTORS], np.float32)
    except (OSError, ValueError, EOFError, AttributeError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as a .npz file of text and numbers: {error}.") from None
    if words.ndim != 1 or words.dtype.kind != "U" or matrix.ndim != 2 or len(words) != len(matrix) or not matrix.size:
        raise UserError(
            f"{path}: '{name}' is {words.dtype} {words.shape} and '{VECTORS}' {matrix.shape}, but they must be "
            "N words and N vectors of equal dimension."
        )
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(1))[0])
        raise UserError(f"{path}: the vector of '{words[row]}' contains a number that is not finite.")
    return [str(word) for word in words], matrix
