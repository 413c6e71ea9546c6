"""Reads pairs from tables with named columns: CSV and Parquet."""

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
    """Checks the number of fields of each row: with one too many or too few, text is in the wrong column.

    Attributes:
        width: expected number of fields.
        needed: fields up to the last one that is read.
        on_bad: see ``data.on_bad``.
        tally: receives the rows that are skipped.
        expected: description of ``width``, for messages.
    """

    width: int
    needed: int
    on_bad: str
    tally: FilterCounts
    expected: str

    def fits(self, row: Sequence[str]) -> bool:
        """Whether a row can be read."""
        return len(row) == self.width or (self.on_bad == CUT and len(row) >= self.needed)

    def accepts(self, row: Sequence[str], place: str) -> bool:
        """Whether a row is read; counts a row that is skipped. place: file and line, for messages.

        Raises:
            UserError: it has the wrong number of fields, and such rows are not skipped.
        """
        if self.fits(row):
            return True
        if self.on_bad != SKIP:
            raise UserError(
                f"{place} has {len(row)} field{'s'[: len(row) != 1]} ({' | '.join(row)[:60]!r}), but must have "
                f"{self.expected}: fix it, or skip such rows with data.on_bad=skip."
            )
        self.tally.read += 1
        self.tally.drop(BAD_ROW)
        return False


def read_csv(
    file: TextFile, texts: Iterable[str], names: tuple[str, str], on_bad: str, tally: FilterCounts, keys: str = KEYS
) -> Iterator[tuple[list[str], list[str], list[int]]]:
    """Two columns of a comma-separated CSV table with a header line. A blank line is a row of empty fields.

    Args:
        file: the file, for messages.
        texts: its text, in blocks of complete lines.
        names: names of the columns.
        on_bad: see ``data.on_bad``.
        tally: receives the rows that are skipped.
        keys: configuration keys of the names, for messages.

    Yields:
        the two columns of up to 4096 rows, and the line number on which each row begins.

    Raises:
        UserError: a column is missing, a row has a different number of fields than the header, or a line is not CSV.
    """
    rows = csv_rows(str(file), (f"{line}\n" for text in texts for line in text.split("\n")))
    header = [name.strip() for name in next(rows, (1, []))[1]]
    left, right = _column_indices(file, header, names, keys)
    check = RowCheck(len(header), max(left, right) + 1, on_bad, tally, f"{len(header)} as its first line has")
    blank = [""] * len(header)
    while block := list(islice(rows, _ROWS)):
        kept = [(line, row or blank) for line, row in block if not row or check.accepts(row, f"{file}, line {line}")]
        yield _folded(row[left] for _, row in kept), _folded(row[right] for _, row in kept), [n for n, _ in kept]


def read_parquet(file: TextFile, names: tuple[str, str]) -> Iterator[Columns]:
    """Two text columns of a Parquet table; null values become empty text.

    Raises:
        UserError: pyarrow is not installed, the file is no Parquet table, or a column is missing or is not text.
    """
    pyarrow, parquet = _pyarrow()
    with file.open() as stream:
        try:
            table = parquet.ParquetFile(stream)
            _column_indices(file, list(table.schema_arrow.names), names, KEYS)
            for name in names:
                _require_text(file, table.schema_arrow.field(name))
            for batch in table.iter_batches(_ROWS, columns=list(names)):
                columns = (batch.column(batch.schema.get_field_index(name)).to_pylist() for name in names)
                source, target = (_folded(text or "" for text in column) for column in columns)
                yield source, target
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{file} is not a complete Parquet table ({reason}): download it again.") from None


def _column_indices(file: TextFile, columns: list[str], names: tuple[str, str], keys: str) -> list[int]:
    missing = [name for name in names if columns.count(name) != 1]
    if missing:
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}, or has it twice: its columns are "
            f"{', '.join(columns)[:300] or 'none'}; {keys} must name two of them."
        )
    return [columns.index(name) for name in names]


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
