"""Rows of CSV tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from seqvise.errors import UserError

_ANY_LENGTH = (1 << 31) - 1
"""Characters of a field. Python's own limit is 131,072, less than many a document has."""


def csv_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV table, each with the line it begins on. Fields are of any length. name: of the file.

    Raises:
        UserError: a line is not CSV.
    """
    csv.field_size_limit(_ANY_LENGTH)
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{name}, line {line} is not CSV: {error}.") from None
