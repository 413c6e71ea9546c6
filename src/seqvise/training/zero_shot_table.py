"""Tables of zero-shot metrics: one row for each kind of images, candidates and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table

WIDTH = 110
"""Width of the table in characters, on every output."""

METRICS = ("hit@1", "hit@5", "hit@10", "hp@2", "hp@5", "text_to_image_map")
ROUNDS = ("seen", "held_out", "seen_among_all", "held_out_among_all", "seen_among_nouns", "held_out_among_nouns")


class Cell(NamedTuple):
    """The table cell of a metric: ``test/chance/held_out/hit@5`` is hit@5 of held-out images, method test/chance."""

    images: str
    method: str
    metric: str


def cell_of(name: str) -> Cell | None:
    """The table cell of a metric; None if it is not a zero-shot metric."""
    *path, metric = name.split("/")
    if not path or not (metric.startswith(("hit@", "hp@")) or metric.endswith("_map")):
        return None
    images = path.pop() if path[-1] in ROUNDS else ROUNDS[0]
    return Cell(images, "/".join(path), metric)


def show_rounds(metrics: Mapping[str, object]) -> None:
    """Prints the table, if it has a row."""
    table = rounds_table(metrics)
    if table.row_count:
        Console(highlight=False, width=WIDTH).print(table)


def rounds_table(metrics: Mapping[str, object]) -> Table:
    """A table of the zero-shot metrics, sorted by images, then by method."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in metrics.items():
        cell = cell_of(name)
        if cell is not None and isinstance(value, float):
            rows.setdefault(cell[:2], {})[cell.metric] = f"{value:.3f}"
    table = Table(*(Column(name, no_wrap=True) for name in ("images", "method", *METRICS)))
    for images, method in sorted(rows, key=lambda row: (ROUNDS.index(row[0]), row[1])):
        shown = rows[images, method]
        table.add_row(images.replace("_", " "), method, *(shown.get(name, "") for name in METRICS))
    return table
