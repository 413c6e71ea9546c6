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
"""Width of tables that are not printed to a terminal, so that no line is wrapped."""


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
    jobs = _select(options)
    if options.prune is not None:
        _prune(jobs, options.prune, options.really, console)
        return
    _list(jobs, options, console)


def _select(options: RunsOptions) -> list[Job]:
    from seqvise.reports.listing import conditions, filter_runs, find_runs, sort_runs

    wanted = conditions(options.where)
    return sort_runs(filter_runs(find_runs(options.folder), wanted), options.sort)[: options.limit]


def _list(jobs: Sequence[Job], options: RunsOptions, console: Console) -> None:
    from seqvise.reports.listing import runs_grid
    from seqvise.reports.tables import grid_table

    if jobs:
        console.print(grid_table(runs_grid(jobs, options.folder, options.sort)))
    else:
        where = f" matches where={','.join(options.where)}" if options.where else ""
        console.print(f"No run in {options.folder}{where}.", markup=False)


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
    prunings = carry_out(planned, keep) if really else planned
    for pruning in prunings:
        for line in _lines(pruning, really):
            console.print(line, markup=False)
    files, size = sum(len(pruning.files) for pruning in prunings), sum(pruning.size for pruning in prunings)
    console.print(f"{'removed' if really else 'would remove'} {files} checkpoints, {size:,} bytes")
    if files and not really:
        console.print("Nothing was removed. Add really=true to remove them.")


def _lines(pruning: Pruning, really: bool) -> Iterator[str]:
    if pruning.skipped:
        yield f"skipped: {pruning.job.path}: {pruning.skipped}"
    for path in pruning.files:
        yield f"{'removed' if really else 'would remove'} {path}"
