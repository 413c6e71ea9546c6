"""Pairs of sentences from files, one at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from seqvise.corpus.normalise import fold
from seqvise.corpus.options import DataOptions
from seqvise.errors import UserError


class Pair(NamedTuple):
    """A sentence and its translation, white space folded."""

    source: str
    target: str


def part_files(data: DataOptions, name: str) -> list[Path]:
    """The files that ``name`` (the value of ``data.train``, ``data.valid`` or ``data.test``) stands for.

    Paired: the source file, then the target file. Tabbed: one file. A file that ends in ``.gz`` is found where the
    plain one is not there.

    Raises:
        UserError: a file is missing; every path that was looked for is named.
    """
    root = Path(data.root or ".").expanduser()
    names = [f"{name}.{data.source}", f"{name}.{data.target}"] if data.format == "paired" else [name]
    found = {root / wanted: _find(root / wanted) for wanted in names}
    missing = [path for path, file in found.items() if file is None]
    if missing:
        raise UserError(*(_missing(path, data) for path in missing))
    return [file for file in found.values() if file is not None]


def read_pairs(data: DataOptions, files: list[Path]) -> Iterator[Pair]:
    """The pairs of the files that ``part_files`` found, in their order; empty sides are given too.

    Raises:
        UserError: the sides differ in their number of lines, a line has too few columns or is not UTF-8.
    """
    if data.format == "paired":
        return _read_paired(*files)
    return _read_tabbed(files[0], data)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzip, without their ends.

    Only a line feed ends a line: U+2028 and its like, which ``str.splitlines`` also splits at, stay in the text.
    """
    number = 0
    for number, line in enumerate(_raw_lines(path), 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}, line {number} is not UTF-8 (byte {error.start + 1} of the line): convert the file, "
                f"for example with `iconv -t UTF-8`."
            ) from None
        yield text.rstrip("\r\n")


def _read_paired(source: Path, target: Path) -> Iterator[Pair]:
    counts = [sum(1 for _ in _raw_lines(path)) for path in (source, target)]
    if counts[0] != counts[1]:
        raise UserError(
            f"{source} has {counts[0]:,} lines and {target} has {counts[1]:,}, but line n of one must be the "
            f"translation of line n of the other."
        )
    for left, right in zip(read_lines(source), read_lines(target), strict=True):
        yield Pair(fold(left), fold(right))


def _read_tabbed(path: Path, data: DataOptions) -> Iterator[Pair]:
    source, target = data.columns.index(data.source), data.columns.index(data.target)
    needed = max(source, target) + 1
    for number, line in enumerate(read_lines(path), 1):
        columns = line.split("\t")
        if len(columns) < needed:
            raise UserError(
                f"{path}, line {number} has {len(columns)} column{'s'[: len(columns) != 1]} between tabs, but "
                f"data.columns={data.columns} needs at least {needed}."
            )
        yield Pair(fold(columns[source]), fold(columns[target]))


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error}): fetch it again.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _find(path: Path) -> Path | None:
    zipped = path.with_name(f"{path.name}.gz")
    return next((file for file in (path, zipped) if file.is_file()), None)


def _missing(path: Path, data: DataOptions) -> str:
    endings = (
        f" Its ending is the value of data.source={data.source} or data.target={data.target}."
        if data.format == "paired"
        else ""
    )
    return f"{path} (or {path.name}.gz) is not there: data.root is {data.root}.{endings}"
