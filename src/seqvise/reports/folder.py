"""A report as files: tables, figures, and a page that holds all of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.outputs import write_output
from seqvise.reports.curves import Points, learning_curve
from seqvise.reports.grid import as_csv
from seqvise.reports.importance import Importance
from seqvise.reports.page import as_html, as_markdown_page
from seqvise.reports.report import SweepReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = "Figures need matplotlib, which is not installed: `pip install 'seqvise[report]'`. The tables are written."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawing:
    """A figure of a report: its file's name without the ending, its title, and what draws it."""

    name: str
    title: str
    make: Callable[[], Figure]

    def svg(self) -> bytes:
        """The figure as an SVG file."""
        from seqvise.reports.figures import as_svg

        return as_svg(self.make())


def write_report(report: SweepReport, found: Importance, heat: tuple[str, str] | None, folder: Path) -> None:
    """Writes ``report.csv``, ``report.md``, ``report.html`` and a SVG file a figure.

    Args:
        report: what is written.
        found: the importance of its parameters.
        heat: the two parameters of a heat map.
        folder: made if it is not there.
    """
    drawings = list(drawings_of(report, found, heat, curves_of(report))) if find_spec("matplotlib") else []
    if not find_spec("matplotlib"):
        log.warning(INSTALL)
    drawn = {drawing.name: drawing.svg() for drawing in drawings}
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        write_output(folder / f"{name}.svg", svg)
    write_output(folder / "report.csv", as_csv(report))
    write_output(folder / "report.md", as_markdown_page(report, found, [(each.name, each.title) for each in drawings]))
    write_output(folder / "report.html", as_html(report, found, [(each.title, drawn[each.name]) for each in drawings]))


def curves_of(report: SweepReport) -> dict[Path, Points]:
    """The first metric of each job by training step, as its logger wrote it."""
    return {job.path: learning_curve(job, report.metrics[0]) for job in report.jobs()} if report.metrics else {}


def drawings_of(
    report: SweepReport, found: Importance, heat: tuple[str, str] | None, curves: Mapping[Path, Points]
) -> Iterator[Drawing]:
    """The figures for which there is something to show.

    Args:
        report: what is shown.
        found: the importance of its parameters.
        heat: the two parameters of a heat map.
        curves: of the first metric, by the folder of the job.
    """
    from seqvise.reports import figures

    if any(curves.values()):
        yield Drawing("curves", "Learning curves", lambda: figures.curves_figure(report, curves))
    if not report.rows or not math.isfinite(report.rows[0].best.mean):
        return
    if report.differing.parameters:
        yield Drawing("parallel", "Parallel coordinates", lambda: figures.parallel_figure(report))
    if heat is not None:
        yield Drawing("heat", "Heat map", lambda: figures.heat_figure(report, *heat))
    if found.parameters:
        yield Drawing("importance", "Importance of hyperparameters", lambda: figures.importance_figure(found))
