"""Answers as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqvise.plain_text import printable
from seqvise.retrieval.answers import Answer


def show(answers: Sequence[Answer], console: Console) -> None:
    """Prints a table for each query."""
    for number, answer in enumerate(answers):
        if number:
            console.print()
        console.print(Text(printable(answer.query.text), style="bold"))
        for note in answer.query.notes:
            console.print(Text(printable(note), style="dim"))
        console.print(_table(answer))


def _table(answer: Answer) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    titled = any(hit.title for hit in answer.hits)
    scores = ("score", "cosine") if answer.calibrated else ("cosine",)
    table.add_column("", justify="right")
    for head in scores:
        table.add_column(head, justify="right")
    for head in ("title", "name") if titled else ("name",):
        table.add_column(head, overflow="fold")
    for rank, hit in enumerate(answer.hits, 1):
        names = (hit.title, hit.name) if titled else (hit.name,)
        values = [f"{getattr(hit, head):.3f}" for head in scores]
        table.add_row(str(rank), *values, *(Text(printable(name)) for name in names))
    return table
