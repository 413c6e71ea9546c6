"""A report in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqvise.plain_text import printable
from seqvise.reports.grid import Grid, importance_grid, results_grid, troubles_grid
from seqvise.reports.report import SweepReport

if TYPE_CHECKING:
    from seqvise.reports.importance import Importance


def show(report: SweepReport, console: Console) -> None:
    """Prints the table, the jobs that are no result, and what the marks mean."""
    console.print(Text(headline(report), style="bold"))
    if report.rows:
        console.print(grid_table(results_grid(report)))
    for note in remarks(report):
        console.print(Text(printable(note)))
    if report.troubles():
        console.print()
        console.print(Text(f"Jobs without a result: {len(report.troubles())}", style="bold"))
        console.print(grid_table(troubles_grid(report)))


def show_importance(found: Importance, console: Console) -> None:
    """Prints what a forest says of the hyperparameters, and whether to believe it."""
    console.print()
    console.print(Text(printable(found.verdict)))
    if found.parameters:
        console.print(grid_table(importance_grid(found)))


def headline(report: SweepReport) -> str:
    """How many jobs and configurations there are, and what they are sorted by."""
    jobs = report.jobs()
    done = sum(job.state() == "ok" for job in jobs)
    several = f"{len(report.rows)} configuration{'s'[: len(report.rows) != 1]}"
    order = {"max": "largest", "min": "smallest"}[report.mode]
    by = f", {order} {report.metrics[0]} first" if report.metrics else ""
    return f"{several}, {done} of {len(jobs)} jobs done{by}"


def remarks(report: SweepReport) -> list[str]:
    """Sentences that belong under the table."""
    spread = [result for row in report.rows for result in row.results if result.deviation is not None]
    told = ["Means ± standard deviations over n seeds."] if spread else []
    told += [f"{letter}: {sentence}." for letter, sentence in report.marks.items()]
    return [*told, *report.notes]


def grid_table(grid: Grid) -> Table:
    """Cells as a table of rich."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head, numeric in zip(grid.head, grid.numeric, strict=True):
        table.add_column(Text(printable(head)), justify="right" if numeric else "left", overflow="fold")
    for line in grid.lines:
        table.add_row(*(Text(printable(cell)) for cell in line))
    return table
