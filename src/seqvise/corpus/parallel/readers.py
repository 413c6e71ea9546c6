"""Reads pairs of sentences from files in blocks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress, starmap
from pathlib import Path

import numpy as np

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.tables import RowCheck, read_csv, read_parquet
from seqvise.corpus.parallel.textfile import TextFile, find_text
from seqvise.download.catalogue import corpus_source
from seqvise.errors import UserError

REPLACED, RETURNS = "lines with bytes that are not UTF-8", "carriage returns inside lines"
UNNAMED = "columns that data.columns does not name"
# A line with more than 16 bytes per character of data.max_characters is not read to its end: it is dropped in any case,
# even with other columns and white space in it.
_BYTES = 16
_BOM = "\ufeff"
# The characters at which `str.split` splits, except space, tab and line feed.
_SPACES = (
    "\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)


Pair = tuple[str, str]
"""A sentence and its translation, white space folded."""


@dataclass(frozen=True)
class Block:
    """Consecutive pairs in two columns, white space folded."""

    sources: list[str]
    targets: list[str]

    def __len__(self) -> int:
        return len(self.sources)

    def only(self, kept: Sequence[bool]) -> Block:
        """The pairs that are kept. kept: (pairs,) whether each is."""
        return Block(list(compress(self.sources, kept)), list(compress(self.targets, kept)))

    def pairs(self) -> Iterator[Pair]:
        """Iterates over the pairs."""
        return zip(self.sources, self.targets, strict=True)


def part_files(data: DataOptions, name: str) -> list[TextFile]:
    """The files of an entry ``name`` of ``data.train``, ``data.valid`` or ``data.test``.

    Paired: the source file, then the target file. Other formats: one file. If a plain file does not exist, the file
    with ``.gz`` is used.

    Raises:
        UserError: a file is missing; the message names every path that was tried.
    """
    root = Path(data.root or ".").expanduser()
    names = [f"{name}.{data.source}", f"{name}.{data.target}"] if data.format == "paired" else [name]
    files = {file_name: find_text(root, file_name) for file_name in names}
    missing = [file_name for file_name, file in files.items() if file is None]
    if missing:
        raise UserError(*(_missing(root, file_name, data) for file_name in missing))
    return [file for file in files.values() if file is not None]


def read_blocks(data: DataOptions, files: Sequence[TextFile], tally: FilterCounts) -> Iterator[Block]:
    """The pairs of the files that ``part_files`` returns, in order, including pairs with an empty side.

    Args:
        tally: receives the faults that are tolerated; pairs are not counted.

    Raises:
        UserError: the sides have different numbers of lines; a row has the wrong number of fields and ``data.on_bad``
            is ``refuse``; a line is not UTF-8 and ``data.encoding_errors`` is ``refuse``; a table lacks a column or is
            damaged.
    """
    if data.format == "paired":
        return _read_paired(data, files, tally)
    if data.format == "tabbed":
        return _read_tabbed(data, files[0], tally)
    return starmap(Block, _read_table(data, files[0], tally))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzip, without line ends.

    Only a line feed ends a line: U+2028 and others at which ``str.splitlines`` splits stay in the text.
    """
    for text in decoded_texts(TextFile(path), None, "refuse", FilterCounts()):
        for line in text.split("\n"):
            yield line.rstrip("\r")


def _read_paired(data: DataOptions, files: Sequence[TextFile], tally: FilterCounts) -> Iterator[Block]:
    source, target = files
    counts = [file.count_lines() for file in files]
    if counts[0] != counts[1]:
        raise UserError(
            f"{source} has {counts[0]:,} lines and {target} has {counts[1]:,}, but line n of one must be the "
            f"translation of line n of the other."
        )
    return _aligned(*(_folded_lines(data, file, tally) for file in files))


def _aligned(source: Iterator[list[str]], target: Iterator[list[str]]) -> Iterator[Block]:
    left: list[str] = []
    right: list[str] = []
    while (left := left or next(source, [])) and (right := right or next(target, [])):
        size = min(len(left), len(right))
        yield Block(left[:size], right[:size])
        left, right = left[size:], right[size:]


def _folded_lines(data: DataOptions, file: TextFile, tally: FilterCounts) -> Iterator[list[str]]:
    for text, tidy in _texts(file, data.max_characters, data.encoding_errors, tally):
        yield _fold_lines(text.replace("\t", " "), tidy).split("\n")


def _read_tabbed(data: DataOptions, file: TextFile, tally: FilterCounts) -> Iterator[Block]:
    columns = [data.columns.index(side) for side in (data.source, data.target)]
    number, check = 0, None
    for text, tidy in _texts(file, data.max_characters, data.encoding_errors, tally):
        rows = [line.split("\t") for line in _fold_lines(text, tidy).split("\n")]
        check = check or _row_check(data, rows, max(columns) + 1, tally)
        first, number = number + 1, number + len(rows)
        if not all(map(check.fits, rows)):
            rows = _checked(rows, check, data, file, first)
        yield Block(*([row[column].strip() for row in rows] for column in columns))


def _row_check(data: DataOptions, rows: list[list[str]], needed: int, tally: FilterCounts) -> RowCheck:
    """Expects the most frequent number of fields; additional columns, such as attributions, need no names."""
    counts = Counter(len(row) for row in rows if len(row) >= needed)
    named = len(data.columns)
    width = max(counts, key=lambda width: (counts[width], width == named), default=named)
    tally.notice(UNNAMED, max(0, width - named))
    rest = " as most lines have" * (width != named)
    expected = f"{width}{rest} (data.columns={data.columns})"
    return RowCheck(width, needed, data.on_bad, tally, expected)


def _checked(rows: list[list[str]], check: RowCheck, data: DataOptions, file: TextFile, first: int) -> list[list[str]]:
    """The rows with enough fields. A blank row, or one too long to be kept, is filled up to that number."""
    kept, maximum = [], math.inf if data.max_characters is None else data.max_characters
    for number, row in enumerate(rows, first):
        text = "".join(row)
        if row == [""] or (not check.fits(row) and len(text) > maximum):
            kept.append([text] * check.needed)
        elif check.accepts(row, f"{file}, line {number}"):
            kept.append(row)
    return kept


def _read_table(data: DataOptions, file: TextFile, tally: FilterCounts) -> Iterator[tuple[list[str], list[str]]]:
    names = data.source, data.target
    if data.format == "parquet":
        return read_parquet(file, names)
    # Lines are not truncated: a quoted field may span many lines, and without its closing quote it would take in all
    # that follow.
    texts = decoded_texts(file, None, data.encoding_errors, tally)
    return ((left, right) for left, right, _ in read_csv(file, texts, names, data.on_bad, tally))


def decoded_texts(file: TextFile, max_characters: int | None, errors: str, tally: FilterCounts) -> Iterator[str]:
    """Blocks of complete lines as text, without the last line feed.

    Args:
        max_characters: a longer line may be truncated, since it is dropped in any case; None truncates nothing.
        errors: see ``data.encoding_errors``.
        tally: receives the faults that are tolerated.
    """
    return (text for text, _ in _texts(file, max_characters, errors, tally))


def _texts(file: TextFile, max_characters: int | None, errors: str, tally: FilterCounts) -> Iterator[tuple[str, bool]]:
    """See ``decoded_texts``; each text with whether its bytes are ``_tidy``."""
    number = 0
    for block in file.blocks(None if max_characters is None else _BYTES * max_characters):
        text, tidy = _decode(block, errors, tally, partial(_place, file, number)), _tidy(block)
        if _BOM in text:
            tidy = False
            text = re.sub(f"^{_BOM}", "", text, flags=re.MULTILINE)
        if "\r" in text:
            tally.notice(RETURNS, text.count("\r") - text.count("\r\n") - text.endswith("\r"))
        number += block.count(b"\n")
        yield text.removesuffix("\n"), tidy


def _decode(block: bytes, errors: str, tally: FilterCounts, place: Callable[[bytes, int], str]) -> str:
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        if errors == "refuse":
            raise UserError(
                f"{place(block, error.start)}: convert the file, for example with `iconv -t UTF-8`, or replace such "
                f"bytes with data.encoding_errors=replace."
            ) from None
    decoded = [line.decode(errors="replace") for line in block.split(b"\n")]
    faulty = sum(text.encode() != line for text, line in zip(decoded, block.split(b"\n"), strict=True))
    tally.notice(REPLACED, faulty)
    return "\n".join(decoded)


def _place(file: TextFile, number: int, block: bytes, start: int) -> str:
    line = number + block.count(b"\n", 0, start) + 1
    byte = start - block.rfind(b"\n", 0, start)
    return f"{file}, line {line} is not UTF-8 (byte {byte} of the line)"


def _tidy(block: bytes) -> bool:
    """Whether no white space or control character is at the start, at the end of the last line or next to another."""
    blank = np.frombuffer(block, np.uint8) <= ord(" ")
    return not (blank[0] or block.endswith(b" ") or np.any(blank[1:] & blank[:-1]))


def _fold_lines(text: str, tidy: bool) -> str:
    """Applies ``fold`` to all lines at once, except that tabs stay and may have a space next to them.

    Args:
        tidy: whether the bytes of the text are ``_tidy``: then only non-ASCII spaces need replacing.
    """
    for space in _SPACES:
        if space in text:
            text, tidy = text.replace(space, " "), False
    if tidy:
        return text
    while "  " in text:
        text = text.replace("  ", " ")
    return text.replace(" \n", "\n").replace("\n ", "\n").strip(" ")


def _missing(root: Path, name: str, data: DataOptions) -> str:
    suffix = (
        f" The file suffixes are data.source={data.source} and data.target={data.target}."
        if data.format == "paired"
        else ""
    )
    advice = " Put it there, or set data.download=true." if corpus_source(data.name, name) else ""
    return f"{root / name} (or {Path(name).name}.gz) does not exist: data.root is {data.root}.{advice}{suffix}"
