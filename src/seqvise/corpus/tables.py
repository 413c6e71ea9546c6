"""Pairs from tables whose columns have names: CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from seqvise.corpus.normalise import fold
from seqvise.corpus.textfile import TextFile
from seqvise.errors import UserError

_ROWS = 4096
KEYS = "data.source and data.target"
Columns = tuple[list[str], list[str]]


def read_csv(file: TextFile, texts: Iterable[str], names: tuple[str, str], keys: str = KEYS) -> Iterator[Columns]:
    """Two columns of a CSV table with commas, its first line their names. A blank line is a row of empty fields.

    Args:
        file: its name, for messages.
        texts: its text, in stretches of whole lines.
        names: of the columns.
        keys: that give these names, for messages.

    Raises:
        UserError: a column is missing, a row has too few fields, or a line is not CSV.
    """
    reader = csv.reader((f"{line}\n" for text in texts for line in text.split("\n")), strict=True)
    try:
        columns = _places(file, [name.strip() for name in next(reader, [])], names, keys)
        while rows := list(islice(reader, _ROWS)):
            if any(len(row) <= max(columns) for row in rows):
                rows = [_whole_row(file, row, max(columns), reader.line_num) for row in rows]
            yield _folded(row[columns[0]] for row in rows), _folded(row[columns[1]] for row in rows)
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num} is not CSV: {error}.") from None


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


def _whole_row(file: TextFile, row: list[str], last: int, line: int) -> list[str]:
    if row and len(row) <= last:
        raise UserError(
            f"{file} has a row of {len(row)} field{'s'[: len(row) != 1]}, {','.join(row)[:60]!r}, before line "
            f"{line + 1}, but its first line names {last + 1} at least."
        )
    return row or [""] * (last + 1)


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
