"""``seqvise runs``: the runs that are known, how they differ, and what they take up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from seqvise.reports.job import Job
    from seqvise.reports.prune import Pruning

WIDE = 4096
"""Columns of a table that is not read in a terminal, so that no line of it is folded."""


@dataclass(frozen=True)
class RunsOptions:
    """What `seqvise runs` is told."""

    folder: Annotated[Path, "the folder that is looked through"] = Path("outputs")
    where: Annotated[tuple[str, ...], "only runs with these values, as model=attention,data=tatoeba,status=ok"] = ()
    sort: Annotated[str, "date | duration | a metric, the best first"] = "date"
    limit: Annotated[int | None, "so many at most"] = None
    compare: Annotated[tuple[Path, ...], "a run directory; given twice or more: how these differ"] = ()
    prune: Annotated[str | None, "best | best+last, the checkpoints that stay; all others of the runs go"] = None
    really: Annotated[bool, "true: prune removes; otherwise it shows what would go"] = False

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        if self.limit is not None and self.limit < 1:
            yield f"limit is {self.limit}, but must be at least 1."
        if self.compare and self.prune is not None:
            yield "compare= and prune= do not go together: leave one out."
        if self.really and self.prune is None:
            yield "really=true goes with prune= alone: add prune=best or prune=best+last, or leave it out."


def main(argv: Sequence[str] | None = None) -> int:
    """Lists, compares or prunes as the words say and gives the exit code."""
    return words_command("runs", RunsOptions, runs, argv)


def runs(options: RunsOptions) -> None:
    """Prints a table of runs, of their differences, or of what goes.

    Raises:
        UserError: a wrong option, no run, or a key or metric that no run has.
    """
    if problems := list(options.problems()):
        raise UserError(*problems)
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    if options.compare:
        _compare(options.compare, console)
        return
    jobs = _chosen(options)
    if options.prune is not None:
        _prune(jobs, options.prune, options.really, console)
        return
    _list(jobs, options, console)


def _chosen(options: RunsOptions) -> list[Job]:
    from seqvise.reports.listing import conditions, filter_runs, find_runs, sort_runs

    asked = conditions(options.where)
    return sort_runs(filter_runs(find_runs(options.folder), asked), options.sort)[: options.limit]


def _list(jobs: Sequence[Job], options: RunsOptions, console: Console) -> None:
    from seqvise.reports.listing import runs_grid
    from seqvise.reports.tables import grid_table

    if jobs:
        console.print(grid_table(runs_grid(jobs, options.folder, options.sort)))
    else:
        console.print("No run is like that.")


def _compare(folders: Sequence[Path], console: Console) -> None:
    from rich.text import Text

    from seqvise.reports.compare import compare_runs, read_runs
    from seqvise.reports.tables import grid_table

    for title, grid in compare_runs(read_runs(folders)).items():
        console.print(Text(title if grid.lines else f"{title}: no difference", style="bold"))
        if grid.lines:
            console.print(grid_table(grid))
        console.print()


def _prune(jobs: Sequence[Job], keep: str, really: bool, console: Console) -> None:
    from seqvise.reports.prune import carry_out, plan

    planned = plan(jobs, keep)
    done = carry_out(planned, keep) if really else planned
    for each in done:
        for line in _told(each, really):
            console.print(line, markup=False)
    files, size = sum(len(each.files) for each in done), sum(each.size for each in done)
    console.print(f"{'removed' if really else 'would remove'} {files} checkpoints, {size:,} bytes")
    if files and not really:
        console.print("Nothing was removed; really=true removes.")


def _told(each: Pruning, really: bool) -> Iterator[str]:
    if each.skipped:
        yield f"left alone: {each.job.path}: {each.skipped}"
    for path in each.files:
        yield f"{'removed' if really else 'would remove'} {path}"
