"""Prints a report to a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqvise.plain_text import printable
from seqvise.reports.grid import TextTable, importance_grid, jobs_grid, troubles_grid
from seqvise.reports.report import SweepReport
from seqvise.reports.title import description, title

if TYPE_CHECKING:
    from seqvise.reports.importance import Importance


def show(report: SweepReport, console: Console) -> None:
    """Prints the table, the meaning of its marks, and the jobs without a result."""
    console.print(Text(headline(report), style="bold"))
    for line in (title(report), *description(report)):
        console.print(Text(printable(line), style="dim"))
    if report.rows:
        console.print(grid_table(jobs_grid(report)))
    for note in remarks(report):
        console.print(Text(printable(note)))
    if report.troubles():
        console.print()
        console.print(Text(f"Jobs without a result: {len(report.troubles())}", style="bold"))
        console.print(grid_table(troubles_grid(report)))


def show_importance(result: Importance, console: Console) -> None:
    """Prints the importance of the hyperparameters, and whether the estimate is reliable."""
    console.print()
    console.print(Text(printable(result.verdict)))
    if result.parameters:
        console.print(grid_table(importance_grid(result)))


def headline(report: SweepReport) -> str:
    """Number of jobs and configurations, and the sort order."""
    jobs = report.jobs()
    finished = sum(job.state() == "ok" for job in jobs)
    configurations = f"{len(report.rows)} configuration{'s'[: len(report.rows) != 1]}"
    order = {"max": "largest", "min": "smallest"}[report.mode]
    by = f", {order} {report.metrics[0]} first" if report.metrics else ""
    return f"{configurations}, {finished} of {len(jobs)} jobs done{by}"


def remarks(report: SweepReport) -> list[str]:
    """Sentences below the table."""
    spread = [result for row in report.rows for result in row.results if result.deviation is not None]
    sentences = ["Means ± standard deviations over n seeds."] if spread else []
    sentences += [f"{letter}: {sentence}." for letter, sentence in report.marks.items()]
    return [*sentences, *report.notes]


def grid_table(grid: TextTable) -> Table:
    """The grid as a rich table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head, numeric in zip(grid.head, grid.numeric, strict=True):
        table.add_column(Text(printable(head)), justify="right" if numeric else "left", overflow="fold")
    for line in grid.lines:
        table.add_row(*(Text(printable(cell)) for cell in line))
    return table
