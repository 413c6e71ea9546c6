"""Fits a table into the width of a terminal, with one line per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from seqvise.plain_text import printable
from seqvise.reports.grid import TextTable

GAP = 2
"""Spaces between two columns."""


def one_line_table(
    grid: TextTable, width: int, least: Mapping[str, int], expendable: Sequence[str]
) -> tuple[Table, list[str]]:
    """A table with one line per row: long cells end with an ellipsis.

    Args:
        grid: the table.
        width: characters of a line.
        least: the columns whose cells may be cut, and how many characters of them are kept if possible.
        expendable: columns to leave out if the others do not fit, the first one first.

    Returns:
        the table, and the headings of the columns that were left out.
    """
    natural = {head: max(map(_cell_width, column)) for head, column in _columns(grid).items()}
    widths = {head: min(size, least.get(head, size)) for head, size in natural.items()}
    omitted = []
    for head in expendable:
        if _total(widths) > width and head in widths:
            omitted.append(head)
            del widths[head]
    _grow(widths, natural, width)
    return _table(grid, widths), omitted


def _columns(grid: TextTable) -> dict[str, list[str]]:
    return {head: [head, *(line[index] for line in grid.lines)] for index, head in enumerate(grid.head)}


def _cell_width(cell: str) -> int:
    return cell_len(printable(cell))


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _grow(widths: dict[str, int], natural: Mapping[str, int], width: int) -> None:
    """Divides the rest of the line among the columns that are cut; the first column comes first, since it is a name."""
    first = next(iter(widths))
    widths[first] += max(0, min(natural[first] - widths[first], width - _total(widths)))
    while (rest := width - _total(widths)) > 0:
        growing = [head for head, size in widths.items() if size < natural[head]][:rest]
        if not growing:
            return
        for head in growing:
            widths[head] += 1


def _table(grid: TextTable, widths: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    shown = [index for index, head in enumerate(grid.head) if head in widths]
    for index in shown:
        head = grid.head[index]
        table.add_column(
            Text(printable(head)),
            justify="right" if grid.numeric[index] else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=widths[head],
        )
    for line in grid.lines:
        table.add_row(*(Text(printable(line[index])) for index in shown))
    return table
