"""fastText's own ``.bin`` files, which know subwords.

fastText loads a file that was cut off without a word, or ends the process. So the layout is checked here first:
args, dictionary, then two matrices, as in ``FastText::saveModel``, ``Dictionary::save`` and ``DenseMatrix::save``.
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
_HEAD = struct.Struct("<ii12id")  # magic, version, then the args: dim first, t last
_DICTIONARY = struct.Struct("<3i2q")  # size, words, labels, tokens, pruned subwords
_ENTRY_TAIL = 9  # behind a word and its zero byte: count, type
_SHAPE = struct.Struct("<?qq")  # quantised, rows, columns


def binary_dim(path: Path) -> int:
    """The width of the vectors, after a check that the file is whole.

    Raises:
        UserError: the file is not a fastText model, is quantised, or is cut off.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _check(path, content)
    except (struct.error, ValueError):
        _cut_off(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_binary(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words, and those that fastText makes from the subwords of unknown ones.

    Raises:
        UserError: the file is damaged, or fastText is not installed.
    """
    binary_dim(path)
    return look_up(fasttext_module().load_model(str(path)), words)


def read_all_binary(path: Path, limit: int | None) -> WholeFile:
    """The first ``limit`` words, their vectors, and those of subwords.

    Raises:
        UserError: the file is damaged, or fastText is not installed.
    """
    binary_dim(path)
    model = fasttext_module().load_model(str(path))
    words = model.get_words(on_unicode_error="replace")
    matrix = np.zeros((len(words[:limit]), model.get_dimension()), np.float32)
    for row, word in enumerate(words[:limit]):
        matrix[row] = model.get_word_vector(word)
    return WholeFile(words[:limit], matrix, len(words), read_subwords(path))


def read_subwords(path: Path) -> Subwords | None:
    """The vectors of subwords, mapped from the file; None where it was trained on whole words only.

    Raises:
        UserError: the file is damaged.
    """
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
    """The vectors of the words in a loaded fastText model."""
    casings = Casings(words)
    known = [word for word in model.get_words(on_unicode_error="replace") if casings.concern(word)]
    found = resolve(words, {word: model.get_word_vector(word) for word in known}, model.get_dimension())
    for row in np.flatnonzero(found.origins == Origin.MISSING).tolist():
        vector = model.get_word_vector(words[row])
        if vector.any():
            found.matrix[row] = vector
            found.origins[row] = Origin.SUBWORDS
    return found


def fasttext_module() -> Any:
    """The fastText package.

    Raises:
        UserError: it is not installed.
    """
    try:
        import fasttext
    except ImportError:
        raise UserError(
            "fastText is not installed: pip install 'seqvise[fasttext]', or choose vectors in a .vec file or "
            "vectors=none."
        ) from None
    return fasttext


def _check(path: Path, content: mmap.mmap) -> int:
    magic, version, dim, *_ = _HEAD.unpack_from(content)
    if magic != MAGIC or version not in VERSIONS:
        raise UserError(f"{path} is not a fastText model: a .bin file of fastText starts with other bytes.")
    end = _matrix_end(path, content, _dictionary_end(path, content))
    if _matrix_end(path, content, end) > len(content):
        _cut_off(path)
    return int(dim)


def _dictionary_end(path: Path, content: mmap.mmap) -> int:
    size: int
    pruned: int
    size, _, _, _, pruned = _DICTIONARY.unpack_from(content, _HEAD.size)
    place = _HEAD.size + _DICTIONARY.size
    for _ in range(size):
        place = content.find(b"\0", place) + 1
        if place == 0:
            _cut_off(path)
        place += _ENTRY_TAIL
    return place + 8 * max(pruned, 0)


def _matrix_end(path: Path, content: mmap.mmap, place: int) -> int:
    quantised: bool
    rows: int
    columns: int
    quantised, rows, columns = _SHAPE.unpack_from(content, place)
    if quantised:
        raise UserError(f"{path} is a quantised fastText model: use the model it was made from, or a .vec file.")
    return place + _SHAPE.size + 4 * rows * columns


def _cut_off(path: Path) -> NoReturn:
    raise UserError(f"{path} is not a whole fastText model ({path.stat().st_size:,} bytes): fetch it again.")
