"""fastText's binary ``.bin`` files, which contain subwords.

fastText silently loads a truncated file, or aborts the process. So the layout is checked first: args, dictionary, then
two matrices, as in ``FastText::saveModel``, ``Dictionary::save`` and ``DenseMatrix::save``.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from seqvise.errors import UserError
from seqvise.vectors.words import Casings, Origin, Subwords, WholeFile, WordVectors, resolve

MAGIC = 793712314
VERSIONS = (11, 12)
_HEAD = struct.Struct("<ii12id")  # magic, version, then the args from dim to t
_DICTIONARY = struct.Struct("<3i2q")  # size, words, labels, tokens, pruned subwords
_ENTRY_TAIL = 9  # after a word and its zero byte: count, type
_SHAPE = struct.Struct("<?qq")  # quantised, rows, columns


def binary_dim(path: Path) -> int:
    """The dimension of the vectors, after a check that the file is complete.

    Raises:
        UserError: the file is not a fastText model, is quantised, or is truncated.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _check(path, content)
    except (struct.error, ValueError):
        _raise_truncated(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_binary(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words; for unknown words, the vectors that fastText computes from subwords."""
    return look_up(_load(path), words)


def read_all_binary(path: Path, limit: int | None) -> WholeFile:
    """The first ``limit`` words with their vectors, and the vectors of subwords."""
    model = _load(path)
    words = model.get_words(on_unicode_error="replace")
    matrix = np.zeros((len(words[:limit]), model.get_dimension()), np.float32)
    for row, word in enumerate(words[:limit]):
        matrix[row] = model.get_word_vector(word)
    return WholeFile(words[:limit], matrix, len(words), read_subwords(path))


def read_subwords(path: Path) -> Subwords | None:
    """The memory-mapped vectors of subwords; None if the model was trained on whole words only."""
    dim = binary_dim(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        fields = _HEAD.unpack_from(content)
        words = _DICTIONARY.unpack_from(content, _HEAD.size)[0]
        start = _dictionary_end(path, content) + _SHAPE.size + 4 * dim * words
    buckets, shortest, longest = fields[10:13]
    if not buckets or not longest:
        return None
    matrix = np.memmap(path, np.dtype("<f4"), "r", offset=start, shape=(buckets, dim))
    return Subwords(matrix, shortest, longest)


def look_up(model: Any, words: Sequence[str]) -> WordVectors:
    """The vectors of words from a loaded fastText model."""
    casings = Casings(words)
    known = [word for word in model.get_words(on_unicode_error="replace") if casings.match(word)]
    vectors = resolve(words, {word: model.get_word_vector(word) for word in known}, model.get_dimension())
    for row in np.flatnonzero(vectors.origins == Origin.MISSING).tolist():
        vector = model.get_word_vector(words[row])
        if vector.any():
            vectors.matrix[row] = vector
            vectors.origins[row] = Origin.SUBWORDS
    return vectors


def fasttext_module() -> Any:
    """The fastText package; a ``UserError`` if it is not installed."""
    try:
        import fasttext
    except ImportError:
        raise UserError(
            "fastText is not installed: pip install 'seqvise[fasttext]', or use vectors in a .vec file or vectors=none."
        ) from None
    return fasttext


def _load(path: Path) -> Any:
    """The model; a ``UserError`` if the file is damaged, or fastText is not installed."""
    binary_dim(path)
    return fasttext_module().load_model(str(path))


def _check(path: Path, content: mmap.mmap) -> int:
    magic, version, dim, *_ = _HEAD.unpack_from(content)
    if magic != MAGIC or version not in VERSIONS:
        raise UserError(f"{path} is not a fastText model: the first bytes of a fastText .bin file are different.")
    end = _matrix_end(path, content, _dictionary_end(path, content))
    if _matrix_end(path, content, end) > len(content):
        _raise_truncated(path)
    return int(dim)


def _dictionary_end(path: Path, content: mmap.mmap) -> int:
    size: int
    pruned: int
    size, _, _, _, pruned = _DICTIONARY.unpack_from(content, _HEAD.size)
    position = _HEAD.size + _DICTIONARY.size
    for _ in range(size):
        position = content.find(b"\0", position) + 1
        if position == 0:
            _raise_truncated(path)
        position += _ENTRY_TAIL
    return position + 8 * max(pruned, 0)


def _matrix_end(path: Path, content: mmap.mmap, position: int) -> int:
    quantised: bool
    rows: int
    columns: int
    quantised, rows, columns = _SHAPE.unpack_from(content, position)
    if quantised:
        raise UserError(f"{path} is a quantised fastText model: use the original model, or a .vec file.")
    return position + _SHAPE.size + 4 * rows * columns


def _raise_truncated(path: Path) -> NoReturn:
    raise UserError(f"{path} is not a complete fastText model ({path.stat().st_size:,} bytes): download it again.")
