"""Tables of how well images find labels: a row for each kind of images, candidates and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table

WIDTH = 110
"""Columns of a row, wherever it is printed."""

SHOWN = ("hit@1", "hit@5", "hit@10", "hp@2", "hp@5", "text_to_image_map")
ROUNDS = ("seen", "held_out", "seen_among_all", "held_out_among_all", "seen_among_nouns", "held_out_among_nouns")


class Cell(NamedTuple):
    """Where a metric stands: ``test/chance/held_out/hit@5`` is hit@5 of held-out images, the method test/chance."""

    images: str
    method: str
    metric: str


def cell_of(name: str) -> Cell | None:
    """The place of a metric; None for one that is no such measure."""
    *path, metric = name.split("/")
    if not path or not (metric.startswith(("hit@", "hp@")) or metric.endswith("_map")):
        return None
    images = path.pop() if path[-1] in ROUNDS else ROUNDS[0]
    return Cell(images, "/".join(path), metric)


def show_rounds(found: Mapping[str, object]) -> None:
    """Prints the table, if it has a row."""
    table = rounds_table(found)
    if table.row_count:
        Console(highlight=False, width=WIDTH).print(table)


def rounds_table(found: Mapping[str, object]) -> Table:
    """The numbers among ``found`` that have a place, by images, then method."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in found.items():
        cell = cell_of(name)
        if cell is not None and isinstance(value, float):
            rows.setdefault(cell[:2], {})[cell.metric] = f"{value:.3f}"
    table = Table(*(Column(name, no_wrap=True) for name in ("images", "method", *SHOWN)))
    for images, method in sorted(rows, key=lambda row: (ROUNDS.index(row[0]), row[1])):
        shown = rows[images, method]
        table.add_row(images.replace("_", " "), method, *(shown.get(name, "") for name in SHOWN))
    return table
