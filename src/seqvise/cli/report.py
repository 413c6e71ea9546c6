"""``seqvise report``: a table of a sweep's jobs, with the overrides that differ and the metrics."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable

MODES = ("max", "min")
WIDE = 4096
"""Width of tables that are not printed to a terminal, so that no line is wrapped."""


@dataclass(frozen=True)
class ReportOptions:
    """Options of `seqvise report`."""

    sweep: Annotated[tuple[Path, ...], "the folder of a sweep; can be repeated"] = ()
    metric: Annotated[
        tuple[str, ...], "a metric to show; can be repeated, the first sorts the table; by default the monitored one"
    ] = ()
    mode: Annotated[str | None, "max | min: whether the first metric is maximized; by default monitor.mode"] = None

    output: Annotated[Path | None, "write report.csv, report.md, report.html and figures to this folder"] = None
    heat: Annotated[str | None, "key1,key2: draw a heat map; by default if exactly two keys differ"] = None

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        if not self.sweep:
            yield "sweep=... is missing: set it to the folder of a sweep, e.g. sweep=outputs/sweeps/NAME/TIME."
        if self.mode is not None and self.mode not in MODES:
            yield f"mode is '{self.mode}', but must be one of {', '.join(MODES)}."
        if self.heat is not None:
            yield from self._heat_errors()
        if self.output is not None and self.output.exists() and not self.output.is_dir():
            yield f"output={self.output} is a file, but must be a folder."
        elif self.output is not None and (reason := self._unwritable(self.output)):
            yield f"output={self.output} cannot be written: {reason}."

    @staticmethod
    def _unwritable(output: Path) -> str:
        return unwritable(output / "report.csv" if output.is_dir() else output)

    def _heat_errors(self) -> Iterator[str]:
        names = [name.strip() for name in str(self.heat).split(",")]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            yield f"heat is '{self.heat}', but must be two keys, e.g. heat=model,optimizer.lr."
        if self.output is None:
            yield "heat=... draws a figure, which needs a folder: add output=FOLDER."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise report`` and returns its exit code."""
    return plain_command("report", ReportOptions, report, argv)


def report(options: ReportOptions) -> None:
    """Prints the table, and writes the report if ``output`` is set.

    Raises:
        UserError: an option is invalid, a sweep does not exist, or no job has the metric.
    """
    if messages := list(options.errors()):
        raise UserError(*messages)
    from rich.console import Console

    from seqvise.reports.folder import write_report
    from seqvise.reports.importance import importance
    from seqvise.reports.report import build_report
    from seqvise.reports.sweep import read_sweeps
    from seqvise.reports.tables import show, show_importance

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    sweep_report = build_report(read_sweeps(options.sweep), options.metric, options.mode)
    heat = heat_keys(options.heat, sweep_report.differing.parameters)
    show(sweep_report, console)
    importances = importance(sweep_report)
    show_importance(importances, console)
    if options.output is not None:
        write_report(sweep_report, importances, heat, options.output)
        print(f"report: {options.output / 'report.html'}")


def heat_keys(requested: str | None, differing: Sequence[str]) -> tuple[str, str] | None:
    """The two keys of the heat map: the requested ones, or the only two that differ.

    Raises:
        UserError: one of them does not differ.
    """
    if requested is None:
        return (differing[0], differing[1]) if len(differing) == 2 else None
    first, second = (name.strip() for name in requested.split(","))
    available = ", ".join(differing) or "(only seeds)"
    if messages := [
        f"heat: {name} does not differ between jobs; choose from {available}."
        for name in (first, second)
        if name not in differing
    ]:
        raise UserError(*messages)
    return first, second
