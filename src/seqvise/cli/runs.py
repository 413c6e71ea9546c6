"""``seqvise runs``: lists runs, compares them, and prunes their checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError
from seqvise.moved import current_metric

if TYPE_CHECKING:
    from rich.console import Console

    from seqvise.reports.job import Job
    from seqvise.reports.prune import Pruning

WIDE = 4096
"""Width of lines that are not printed to a terminal, so that none is wrapped."""
LEAST = {"run": 36, "status": 8, "changed": 12, "model": 8, "device": 8}
"""Columns of the list that are cut to the width of a terminal, and the characters that are kept if possible."""
EXPENDABLE = ("device", "date", "model", "duration")
"""Columns of the list that a narrow terminal does not show, the first one first."""


@dataclass(frozen=True)
class RunsOptions:
    """Options of `seqvise runs`."""

    folder: Annotated[Path, "the folder that is searched for runs"] = Path("outputs")
    where: Annotated[tuple[str, ...], "only runs with these values, e.g. model=attention,data=tatoeba,status=ok"] = ()
    sort: Annotated[str, "date | duration | a metric (best first)"] = "date"
    limit: Annotated[int | None, "maximum number of runs"] = None
    compare: Annotated[tuple[Path, ...], "a run directory; repeat it to compare two or more runs"] = ()
    prune: Annotated[str | None, "best | best+last: the checkpoints to keep; all others are removed"] = None
    really: Annotated[bool, "true: prune removes checkpoints; false: it lists them"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        if self.limit is not None and self.limit < 1:
            yield f"limit is {self.limit}, but must be at least 1."
        if self.compare and self.prune is not None:
            yield "compare= and prune= cannot be combined: remove one."
        if self.really and self.prune is None:
            yield "really=true is only for prune=: add prune=best or prune=best+last, or remove really=true."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise runs`` and returns its exit code."""
    return plain_command("runs", RunsOptions, runs, argv)


def runs(options: RunsOptions) -> None:
    """Prints a table of runs or of their differences, or lists removed checkpoints.

    Raises:
        UserError: an option is invalid, a run does not exist, or no run has the key or metric.
    """
    if messages := list(options.errors()):
        raise UserError(*messages)
    from rich.console import Console

    options = replace(options, sort=current_metric(options.sort))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    if options.compare:
        _compare(options.compare, console)
        return
    jobs = _select(options, console)
    if jobs and options.prune is not None:
        _prune(jobs, options.prune, options.really, console)
    elif jobs:
        _list(jobs, options, console)


def _select(options: RunsOptions, console: Console) -> list[Job]:
    """The selected runs. If there is none, prints the values that the runs have."""
    from seqvise.reports.listing import conditions, existing_values, filter_runs, find_runs, sort_runs

    wanted, every_run = conditions(options.where), find_runs(options.folder)
    if not (jobs := filter_runs(every_run, wanted)):
        console.print(f"No run in {options.folder} matches where={','.join(options.where)}.", markup=False)
        for sentence in existing_values(every_run, wanted):
            console.print(sentence, markup=False)
    return sort_runs(jobs, options.sort)[: options.limit] if jobs else []


def _list(jobs: Sequence[Job], options: RunsOptions, console: Console) -> None:
    from seqvise.reports.grid import as_tsv
    from seqvise.reports.listing import runs_grid
    from seqvise.reports.one_line import one_line_table

    grid = runs_grid(jobs, options.folder, options.sort)
    if not sys.stdout.isatty():
        sys.stdout.write(as_tsv(grid))
        return
    table, omitted = one_line_table(grid, console.width, LEAST, EXPENDABLE)
    console.print(table)
    if omitted:
        console.print(f"Without {', '.join(omitted)}: add | cat for all columns, uncut.", style="dim")


def _compare(folders: Sequence[Path], console: Console) -> None:
    from rich.text import Text

    from seqvise.reports.compare import compare_runs, read_runs
    from seqvise.reports.grid import as_tsv
    from seqvise.reports.tables import grid_table

    for title, grid in compare_runs(read_runs(folders)).items():
        console.print(Text(title if grid.lines else f"{title}: no difference", style="bold"))
        if grid.lines and sys.stdout.isatty():
            table = grid_table(grid)
            table.columns[0].no_wrap = True  # values are folded before names of keys
            console.print(table)
        elif grid.lines:
            sys.stdout.write(as_tsv(grid))
        console.print()


def _prune(jobs: Sequence[Job], keep: str, really: bool, console: Console) -> None:
    from seqvise.reports.prune import carry_out, plan

    planned = plan(jobs, keep)
    prunings = carry_out(planned, keep) if really else planned
    for pruning in prunings:
        for line in _lines(pruning, really):
            console.print(line, markup=False)
    files, size = sum(len(pruning.files) for pruning in prunings), sum(pruning.size for pruning in prunings)
    kept = sum(len(pruning.kept) for pruning in prunings)
    console.print(f"{'kept' if really else 'would keep'} {kept} checkpoint{'s'[: kept != 1]}")
    console.print(f"{'removed' if really else 'would remove'} {files} checkpoints, {size:,} bytes")
    if files and not really:
        console.print("Nothing was removed. Add really=true to remove them.")


def _lines(pruning: Pruning, really: bool) -> Iterator[str]:
    if pruning.skipped:
        yield f"skipped: {pruning.job.path}: {pruning.skipped}"
    for path in pruning.kept:
        yield f"{'kept' if really else 'would keep'} {path}"
    for path in pruning.files:
        yield f"{'removed' if really else 'would remove'} {path}"
