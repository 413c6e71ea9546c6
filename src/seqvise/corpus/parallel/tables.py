"""Pairs from tables whose columns have names: CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from seqvise.corpus.options import CUT, SKIP
from seqvise.corpus.parallel.report import FilterCounts
from seqvise.corpus.parallel.textfile import TextFile
from seqvise.corpus.tokens.tokenizers import fold
from seqvise.errors import UserError
from seqvise.files import csv_rows

_ROWS = 4096
BAD_ROW = "another number of fields"
KEYS = "data.source and data.target"
Columns = tuple[list[str], list[str]]


@dataclass(frozen=True)
class RowCheck:
    """Counts the fields of a table's rows: in a row with one more or one less, text stands in the wrong column.

    Attributes:
        width: fields that a row has.
        needed: fields up to the last one that is read.
        on_bad: see ``data.on_bad``.
        tally: receives the rows that are skipped.
        expected: the width in words, for messages.
    """

    width: int
    needed: int
    on_bad: str
    tally: FilterCounts
    expected: str

    def fits(self, row: Sequence[str]) -> bool:
        """Whether a row can be read."""
        return len(row) == self.width or (self.on_bad == CUT and len(row) >= self.needed)

    def takes(self, row: Sequence[str], place: str) -> bool:
        """Whether a row is read; counts it where it is skipped. place: the file and the line.

        Raises:
            UserError: it has another number of fields, and such rows are not skipped.
        """
        if self.fits(row):
            return True
        if self.on_bad != SKIP:
            raise UserError(
                f"{place} has {len(row)} field{'s'[: len(row) != 1]} ({' | '.join(row)[:60]!r}), but must have "
                f"{self.expected}: mend it, or leave such rows out with data.on_bad=skip."
            )
        self.tally.read += 1
        self.tally.drop(BAD_ROW)
        return False


def read_csv(
    file: TextFile, texts: Iterable[str], names: tuple[str, str], on_bad: str, tally: FilterCounts, keys: str = KEYS
) -> Iterator[tuple[list[str], list[str], list[int]]]:
    """Two columns of a CSV table with commas, its first line their names. A blank line is a row of empty fields.

    Args:
        file: its name, for messages.
        texts: its text, in stretches of whole lines.
        names: of the columns.
        on_bad: see ``data.on_bad``.
        tally: receives the rows that are skipped.
        keys: that give these names, for messages.

    Yields:
        the two columns of some thousand rows, and the lines that these rows begin on.

    Raises:
        UserError: a column is missing, a row has another number of fields than the first line, or a line is not CSV.
    """
    rows = csv_rows(str(file), (f"{line}\n" for text in texts for line in text.split("\n")))
    header = [name.strip() for name in next(rows, (1, []))[1]]
    left, right = _places(file, header, names, keys)
    check = RowCheck(len(header), max(left, right) + 1, on_bad, tally, f"{len(header)} as its first line has")
    blank = [""] * len(header)
    while block := list(islice(rows, _ROWS)):
        whole = [(line, row or blank) for line, row in block if not row or check.takes(row, f"{file}, line {line}")]
        yield _folded(row[left] for _, row in whole), _folded(row[right] for _, row in whole), [n for n, _ in whole]


def read_parquet(file: TextFile, names: tuple[str, str]) -> Iterator[Columns]:
    """Two text columns of a Parquet table; what is missing in it is empty text.

    Raises:
        UserError: pyarrow is not installed, the file is no Parquet table, or a column is missing or holds no text.
    """
    pyarrow, parquet = _pyarrow()
    with file.open() as stream:
        try:
            table = parquet.ParquetFile(stream)
            _places(file, list(table.schema_arrow.names), names, KEYS)
            for name in names:
                _require_text(file, table.schema_arrow.field(name))
            for batch in table.iter_batches(_ROWS, columns=list(names)):
                columns = (batch.column(batch.schema.get_field_index(name)).to_pylist() for name in names)
                source, target = (_folded(text or "" for text in column) for column in columns)
                yield source, target
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{file} is not a whole Parquet table ({reason}): fetch it again.") from None


def _places(file: TextFile, found: list[str], names: tuple[str, str], keys: str) -> list[int]:
    missing = [name for name in names if found.count(name) != 1]
    if missing:
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}, or has it twice: its columns are "
            f"{', '.join(found)[:300] or 'none'}; {keys} must name two of them."
        )
    return [found.index(name) for name in names]


def _require_text(file: TextFile, column: Any) -> None:
    if str(column.type) not in ("string", "large_string", "string_view"):
        raise UserError(f"{file}: column {column.name} is of type {column.type}, but must be text.")


def _folded(texts: Iterable[str]) -> list[str]:
    return [fold(text) for text in texts]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError("data.format=parquet needs pyarrow: pip install 'seqvise[parquet]'.") from None
    return pyarrow, parquet
