"""Line-wise input and output: files, pipes or a terminal."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seqvise.corpus.parallel.textfile import refuse_returns
from seqvise.errors import UserError
from seqvise.outputs import output_file

STREAM = "-"
BLOCK = 1 << 16


def windows(source: BinaryIO, name: str, size: int) -> Iterator[list[str]]:
    """Yields the lines, without line endings, in lists of at most ``size``.

    A shorter list is yielded when reading more would block, so that interactive input is processed line by line.

    Raises:
        UserError: a line is not UTF-8, with its number; or lines end with carriage returns only.
    """
    number = 0
    for lines in _raw_windows(source, name, size):
        yield [_decoded(line, number + index, name) for index, line in enumerate(lines, 1)]
        number += len(lines)


def _raw_windows(source: BinaryIO, name: str, size: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    parts: list[bytes] = []  # of a line whose end has not been read yet
    started = False
    while block := source.read1(BLOCK):  # type: ignore[attr-defined]
        if not started:
            refuse_returns(block, name)
        started = True
        first, *others = block.split(b"\n")
        parts.append(first)
        if others:
            lines += [b"".join(parts), *others[:-1]]
            parts = others[-1:]
        while len(lines) >= size:
            yield lines[:size]
            lines = lines[size:]
        if lines and not _ready(source):
            yield lines
            lines = []
    if last := b"".join(parts):
        lines.append(last)
    if lines:
        yield lines


def _ready(source: BinaryIO) -> bool:
    try:
        return bool(select.select([source], [], [], 0)[0])
    except (OSError, ValueError):  # not a file with a descriptor
        return True


def _decoded(line: bytes, number: int, name: str) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}, line {number}: not UTF-8 text ({error.reason}); convert the file first.") from None


def count_lines(name: str) -> int | None:
    """The number of lines of a regular file; None for a pipe, a device or standard input, which is read only once."""
    path = Path(name)
    if name == STREAM or not path.is_file():
        return None
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(BLOCK), b"")
        count, last = 0, b""
        for block in blocks:
            count, last = count + block.count(b"\n"), block[-1:]
    return count + (last not in (b"", b"\n"))


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """Opens standard input or a file for reading.

    Raises:
        UserError: it cannot be read.
    """
    if name == STREAM:
        yield sys.stdin.buffer
        return
    with _opened(Path(name)) as file:
        yield file


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"input={path} cannot be read: {error.strerror}.") from None


@contextmanager
def writing(name: str) -> Iterator[BinaryIO]:
    """Opens standard output, or a file that appears only when it is complete; see ``output_file``.

    Raises:
        UserError: it cannot be written.
    """
    if name == STREAM:
        yield sys.stdout.buffer
        return
    path = Path(name)
    if path.is_dir():
        raise UserError(f"output={name} is a folder, but must be a file: choose another name.")
    try:
        with output_file(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"output={name} cannot be written: {error.strerror}.") from None
