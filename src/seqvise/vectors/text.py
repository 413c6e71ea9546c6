"""The text format of fastText and word2vec: a header ``count dim``, then one line per word with its numbers."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.vectors.words import Casings, WholeFile, WordVectors, resolve

_FIRST_ROWS = 1 << 14
_MAX_GZIP_RATIO = 1032
"""Maximum compression ratio of gzip."""


def text_dim(path: Path) -> int:
    """The dimension of the vectors, from the header.

    Raises:
        UserError: the file cannot be read or does not start with a header.
    """
    with _reading(path) as file:
        return _header(path, file)[1]


def read_text(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words, read in a single pass. If a word occurs twice, the first occurrence is used.

    Raises:
        UserError: the file is truncated, or a line is not a word and its numbers; the message names file and line.
    """
    with _reading(path) as file:
        count, dim = _header(path, file)
        casings = Casings(words)
        written: dict[str, NDArray[np.float32]] = {}
        for number, word, numbers in _rows(path, file, count, dim):
            if word not in written and casings.match(word):
                written[word] = _vector(path, number, word, numbers)
    return resolve(words, written, dim)


def read_all_text(path: Path, limit: int | None) -> WholeFile:
    """The first ``limit`` words and their vectors.

    Raises:
        UserError: as ``read_text``, for the lines that are read.
    """
    words: list[str] = []
    with _reading(path) as file:
        count, dim = _header(path, file)
        size = count if limit is None else min(limit, count)
        matrix = np.zeros((0, dim), np.float32)
        # With a limit, reading stops at the last row: further reading would check the end of the file.
        for number, word, numbers in islice(_rows(path, file, count, dim), None if size == count else limit):
            if len(words) == len(matrix):
                # The header may declare more words than there are: memory grows with the words that are read.
                matrix.resize((min(size, max(_FIRST_ROWS, 2 * len(matrix))), dim), refcheck=False)
            matrix[len(words)] = _vector(path, number, word, numbers)
            words.append(word)
    return WholeFile(words, matrix, count)


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file ({error}): download it again.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _header(path: Path, file: IO[bytes]) -> tuple[int, int]:
    fields = file.readline(1000).split()
    if fields and fields[0].startswith(BOM_UTF8):
        raise UserError(
            f"{path}, line 1 starts with a byte-order mark, which is not part of the format: remove the first three "
            "bytes of the file, for example with `tail -c +4 FILE`."
        )
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or not int(fields[1]):
        header = b" ".join(fields)[:40].decode(errors="replace")
        raise UserError(
            f"{path}, line 1 is '{header}', but must be two numbers, the number of words and the dimension of their "
            "vectors, as in '2000000 300'."
        )
    count, dim = int(fields[0]), int(fields[1])
    minimum, size = 2 * count * dim, path.stat().st_size  # a number has at least a digit and a space
    if minimum > size * (_MAX_GZIP_RATIO if path.suffix == ".gz" else 1):
        raise UserError(
            f"{path}, line 1 declares {count:,} words with {dim:,} numbers each, at least {minimum:,} bytes, but the "
            f"file has {size:,}: correct the first line, or download the file again."
        )
    return count, dim


def _rows(path: Path, file: IO[bytes], count: int, dim: int) -> Iterator[tuple[int, str, bytes]]:
    """Line number, word and numbers of each row."""
    number = 1
    for number, line in enumerate(file, 2):
        if number > count + 1:
            raise UserError(
                f"{path}, line {number} is one too many: the first line declares {count:,} words. Correct the first "
                "line, or download the file again."
            )
        word, numbers = _split(path, number, line, dim)
        try:
            yield number, word.decode(), numbers
        except UnicodeDecodeError:
            raise UserError(
                f"{path}, line {number} is not UTF-8: convert the file, for example with `iconv -t UTF-8`."
            ) from None
    if number < count + 1:
        raise UserError(
            f"{path} ends at line {number}, but its first line declares {count:,} words: download it again."
        )


def _split(path: Path, number: int, line: bytes, dim: int) -> tuple[bytes, bytes]:
    """A word, which may contain spaces, and the text of its numbers."""
    content = line.rstrip(b" \r\n")
    spaces = content.count(b" ")
    if spaces < dim:
        raise UserError(
            f"{path}, line {number} has {spaces} number{'s'[: spaces != 1]} after its word, but line 1 declares {dim}."
        )
    word = content.partition(b" ")[0] if spaces == dim else content.rsplit(b" ", dim)[0]
    return word, content[len(word) + 1 :]


def _vector(path: Path, number: int, word: str, numbers: bytes) -> NDArray[np.float32]:
    try:
        vector = np.array(numbers.split(b" "), np.float32)
    except ValueError:
        raise UserError(f"{path}, line {number}: the values after '{word}' are not all numbers.") from None
    if not np.isfinite(vector).all():
        raise UserError(f"{path}, line {number}: the vector of '{word}' contains a number that is not finite.")
    return vector
