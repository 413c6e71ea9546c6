"""fastText's and word2vec's text format: a header ``count dim``, then a word and its numbers a line."""

from __future__ import annotations

import gzip
import zlib
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
_MOST_ZIPPED = 1032
"""How many times smaller gzip makes a text at most."""


def text_dim(path: Path) -> int:
    """The width of the vectors, from the header.

    Raises:
        UserError: the file cannot be read or does not start with a header.
    """
    with _reading(path) as file:
        return _header(path, file)[1]


def read_text(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words, read line by line in one pass; of a word that stands there twice, the first.

    Raises:
        UserError: the file is cut off, or a line is not a word and its numbers; file and line are named.
    """
    with _reading(path) as file:
        count, dim = _header(path, file)
        casings = Casings(words)
        written: dict[str, NDArray[np.float32]] = {}
        for number, word, numbers in _rows(path, file, count, dim):
            if word not in written and casings.concern(word):
                written[word] = _vector(path, number, word, numbers)
    return resolve(words, written, dim)


def read_all_text(path: Path, limit: int | None) -> WholeFile:
    """The first ``limit`` words and their vectors.

    Raises:
        UserError: as ``read_text``, of the lines that are read.
    """
    words: list[str] = []
    with _reading(path) as file:
        count, dim = _header(path, file)
        wanted = count if limit is None else min(limit, count)
        matrix = np.zeros((0, dim), np.float32)
        # Reading on past the last row wanted would look for the end of the file.
        for number, word, numbers in islice(_rows(path, file, count, dim), None if wanted == count else limit):
            if len(words) == len(matrix):
                # The first line may promise more words than there are: memory is taken for those that have come.
                matrix.resize((min(wanted, max(_FIRST_ROWS, 2 * len(matrix))), dim), refcheck=False)
            matrix[len(words)] = _vector(path, number, word, numbers)
            words.append(word)
    return WholeFile(words, matrix, count)


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error}): fetch it again.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _header(path: Path, file: IO[bytes]) -> tuple[int, int]:
    fields = file.readline(1000).split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or not int(fields[1]):
        found = b" ".join(fields)[:40].decode(errors="replace")
        raise UserError(
            f"{path}, line 1 is '{found}', but must be two numbers, how many words follow and how wide their vectors "
            "are, as in '2000000 300'."
        )
    count, dim = int(fields[0]), int(fields[1])
    least, size = 2 * count * dim, path.stat().st_size  # a number is a digit and a space at least
    if least > size * (_MOST_ZIPPED if path.suffix == ".gz" else 1):
        raise UserError(
            f"{path}, line 1 promises {count:,} words and {dim:,} numbers for each, {least:,} bytes at least, but the "
            f"file has {size:,}: mend its first line, or fetch it again."
        )
    return count, dim


def _rows(path: Path, file: IO[bytes], count: int, dim: int) -> Iterator[tuple[int, str, bytes]]:
    """Line number, word and numbers of each row."""
    number = 1
    for number, line in enumerate(file, 2):
        if number > count + 1:
            raise UserError(f"{path}, line {number} is one too many: the first line promises {count:,} words.")
        word, numbers = _split(path, number, line, dim)
        try:
            yield number, word.decode(), numbers
        except UnicodeDecodeError:
            raise UserError(
                f"{path}, line {number} is not UTF-8: convert the file, for example with `iconv -t UTF-8`."
            ) from None
    if number < count + 1:
        raise UserError(f"{path} ends at line {number}, but its first line promises {count:,} words: fetch it again.")


def _split(path: Path, number: int, line: bytes, dim: int) -> tuple[bytes, bytes]:
    """A word, which may hold spaces itself, and the text of its numbers."""
    content = line.rstrip(b" \r\n")
    spaces = content.count(b" ")
    if spaces < dim:
        raise UserError(
            f"{path}, line {number} has {spaces} number{'s'[: spaces != 1]} behind its word, but line 1 promises {dim}."
        )
    word = content.partition(b" ")[0] if spaces == dim else content.rsplit(b" ", dim)[0]
    return word, content[len(word) + 1 :]


def _vector(path: Path, number: int, word: str, numbers: bytes) -> NDArray[np.float32]:
    try:
        vector = np.array(numbers.split(b" "), np.float32)
    except ValueError:
        raise UserError(f"{path}, line {number}: what follows '{word}' is not all numbers.") from None
    if not np.isfinite(vector).all():
        raise UserError(f"{path}, line {number}: the vector of '{word}' holds a number that is not finite.")
    return vector
