"""Pairs of sentences from files, a block at a time."""

from __future__ import annotations

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
# A line of so many bytes for each character of data.max_characters is not read to its end: it is dropped, whatever
# other columns and white space it holds.
_BYTES = 16
_BOM = "\ufeff"
# What else than space, tab and line feed `str.split` splits at.
_SPACES = (
    "\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)


Pair = tuple[str, str]
"""A sentence and its translation, white space folded."""


@dataclass(frozen=True)
class Block:
    """Pairs that lie one after another, in two columns, white space folded."""

    sources: list[str]
    targets: list[str]

    def __len__(self) -> int:
        return len(self.sources)

    def only(self, kept: Sequence[bool]) -> Block:
        """The pairs that are kept. kept: one for each pair."""
        return Block(list(compress(self.sources, kept)), list(compress(self.targets, kept)))

    def pairs(self) -> Iterator[Pair]:
        """The pairs one by one."""
        return zip(self.sources, self.targets, strict=True)


def part_files(data: DataOptions, name: str) -> list[TextFile]:
    """The files that ``name`` (an entry of ``data.train``, ``data.valid`` or ``data.test``) stands for.

    Paired: the source file, then the target file. Other formats: one file. A file that ends in ``.gz`` is found where
    the plain one is not there.

    Raises:
        UserError: a file is missing; every path that was looked for is named.
    """
    root = Path(data.root or ".").expanduser()
    names = [f"{name}.{data.source}", f"{name}.{data.target}"] if data.format == "paired" else [name]
    found = {wanted: find_text(root, wanted) for wanted in names}
    missing = [wanted for wanted, file in found.items() if file is None]
    if missing:
        raise UserError(*(_missing(root, wanted, data) for wanted in missing))
    return [file for file in found.values() if file is not None]


def read_blocks(data: DataOptions, files: Sequence[TextFile], tally: FilterCounts) -> Iterator[Block]:
    """The pairs of the files that ``part_files`` found, in their order; empty sides are given too.

    Args:
        tally: receives the faults that are read over; pairs are not counted.

    Raises:
        UserError: the sides differ in their number of lines, a row has another number of fields and ``data.on_bad`` is
            ``refuse``, a line is not UTF-8 and ``data.encoding_errors`` is ``refuse``; a table lacks a column, or is
            damaged.
    """
    if data.format == "paired":
        return _read_paired(data, files, tally)
    if data.format == "tabbed":
        return _read_tabbed(data, files[0], tally)
    return starmap(Block, _read_table(data, files[0], tally))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzip, without their ends.

    Only a line feed ends a line: U+2028 and its like, which ``str.splitlines`` also splits at, stay in the text.
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
        both = min(len(left), len(right))
        yield Block(left[:both], right[:both])
        left, right = left[both:], right[both:]


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
    """Takes the most frequent number of fields for the table's; further columns, as attributions, need no names."""
    counts = Counter(len(row) for row in rows if len(row) >= needed)
    named = len(data.columns)
    width = max(counts, key=lambda width: (counts[width], width == named), default=named)
    tally.notice(UNNAMED, max(0, width - named))
    rest = " as most lines have" * (width != named)
    expected = f"{width}{rest} (data.columns={data.columns})"
    return RowCheck(width, needed, data.on_bad, tally, expected)


def _checked(rows: list[list[str]], check: RowCheck, data: DataOptions, file: TextFile, first: int) -> list[list[str]]:
    """The rows that have all their fields. A blank row gets its fields, and one that is too long to be kept."""
    kept = []
    for number, row in enumerate(rows, first):
        if row == [""] or (not check.fits(row) and _too_long(row, data.max_characters)):
            kept.append(["".join(row)] * check.needed)
        elif check.takes(row, f"{file}, line {number}"):
            kept.append(row)
    return kept


def _too_long(row: list[str], most: int | None) -> bool:
    return most is not None and len("".join(row)) > most


def _read_table(data: DataOptions, file: TextFile, tally: FilterCounts) -> Iterator[tuple[list[str], list[str]]]:
    names = data.source, data.target
    if data.format == "parquet":
        return read_parquet(file, names)
    # A quoted field may go over many lines: cut off, it would swallow those that follow.
    texts = decoded_texts(file, None, data.encoding_errors, tally)
    return ((left, right) for left, right, _ in read_csv(file, texts, names, data.on_bad, tally))


def decoded_texts(file: TextFile, most: int | None, errors: str, tally: FilterCounts) -> Iterator[str]:
    """Whole lines as text, without the last one's line feed.

    Args:
        most: characters of the longest line that is of use; None is any.
        errors: see ``data.encoding_errors``.
        tally: receives the faults that are read over.
    """
    return (text for text, _ in _texts(file, most, errors, tally))


def _texts(file: TextFile, most: int | None, errors: str, tally: FilterCounts) -> Iterator[tuple[str, bool]]:
    """See ``decoded_texts``; each text with whether its bytes are ``_tidy``."""
    number = 0
    for block in file.blocks(None if most is None else _BYTES * most):
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
                f"{place(block, error.start)}: convert the file, for example with `iconv -t UTF-8`, or read over such "
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
    """Whether no space, control character or line feed stands at the start, before the end or beside another."""
    blank = np.frombuffer(block, np.uint8) <= ord(" ")
    return not (blank[0] or block.endswith(b" ") or np.any(blank[1:] & blank[:-1]))


def _fold_lines(text: str, tidy: bool) -> str:
    """``fold`` of every line at once, but that tabs stay and a space may stand beside them.

    Args:
        tidy: the bytes that the text comes from are ``_tidy``, so that other spaces than ASCII's are all to look for.
    """
    for space in _SPACES:
        if space in text:
            text, tidy = text.replace(space, " "), False
    if tidy:
        return text
    while "  " in text:
        text = text.replace("  ", " ")
    return text.replace(" \n", "\n").replace("\n ", "\n").strip(" ")


def _missing(root: Path, wanted: str, data: DataOptions) -> str:
    endings = (
        f" Its ending is the value of data.source={data.source} or data.target={data.target}."
        if data.format == "paired"
        else ""
    )
    fetched = " Put it there, or set data.download=true." if corpus_source(data.name, wanted) else ""
    return f"{root / wanted} (or {Path(wanted).name}.gz) is not there: data.root is {data.root}.{endings}{fetched}"
