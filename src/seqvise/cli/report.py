"""``seqvise report``: one table of a sweep, what differed and what came out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable

MODES = ("max", "min")
WIDE = 4096
"""Columns of a table that is not read in a terminal, so that no line of it is folded."""


@dataclass(frozen=True)
class ReportOptions:
    """What `seqvise report` is told."""

    sweep: Annotated[tuple[Path, ...], "a sweep's folder; may be given several times"] = ()
    metric: Annotated[tuple[str, ...], "a metric shown, the first sorts; several times; by default the monitored"] = ()
    mode: Annotated[str | None, "max | min, which of the first metric is better; by default as monitored"] = None

    output: Annotated[Path | None, "a folder for report.csv, report.md, report.html and the figures"] = None
    heat: Annotated[str | None, "key1,key2: a heat map of these; by default where just two keys differ"] = None

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        if not self.sweep:
            yield "sweep=... is missing: a sweep's folder, as sweep=outputs/sweeps/NAME/TIME."
        if self.mode is not None and self.mode not in MODES:
            yield f"mode is '{self.mode}', but must be one of {', '.join(MODES)}."
        if self.heat is not None:
            yield from self._heat_problems()
        if self.output is not None and self.output.exists() and not self.output.is_dir():
            yield f"output={self.output} is a file, but must be a folder."
        elif self.output is not None and (why := self._unwritable(self.output)):
            yield f"output={self.output} cannot be written: {why}."

    @staticmethod
    def _unwritable(output: Path) -> str:
        return unwritable(output / "report.csv" if output.is_dir() else output)

    def _heat_problems(self) -> Iterator[str]:
        names = [name.strip() for name in str(self.heat).split(",")]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            yield f"heat is '{self.heat}', but must be two keys, as heat=model,optimizer.lr."
        if self.output is None:
            yield "heat=... draws a figure, which needs a folder: add output=FOLDER."


def main(argv: Sequence[str] | None = None) -> int:
    """Reports as the words say and gives the exit code."""
    return words_command("report", ReportOptions, report, argv)


def report(options: ReportOptions) -> None:
    """Prints the table.

    Raises:
        UserError: a wrong option, no sweep, or a metric that no job has.
    """
    if problems := list(options.problems()):
        raise UserError(*problems)
    from rich.console import Console

    from seqvise.reports.folder import write_report
    from seqvise.reports.importance import importance
    from seqvise.reports.report import build_report
    from seqvise.reports.sweep import read_sweeps
    from seqvise.reports.tables import show, show_importance

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    found = build_report(read_sweeps(options.sweep), options.metric, options.mode)
    heat = heat_keys(options.heat, found.differing.parameters)
    show(found, console)
    matters = importance(found)
    show_importance(matters, console)
    if options.output is not None:
        write_report(found, matters, heat, options.output)
        print(f"report: {options.output / 'report.html'}")


def heat_keys(asked: str | None, differing: Sequence[str]) -> tuple[str, str] | None:
    """The two keys of the heat map: those asked for, or the only two that differ.

    Raises:
        UserError: one of them does not differ.
    """
    if asked is None:
        return (differing[0], differing[1]) if len(differing) == 2 else None
    first, second = (name.strip() for name in asked.split(","))
    there = ", ".join(differing) or "no key but seeds"
    if problems := [
        f"heat: {name} does not differ; {there} does." for name in (first, second) if name not in differing
    ]:
        raise UserError(*problems)
    return first, second
