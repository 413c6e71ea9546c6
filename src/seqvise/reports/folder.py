"""Writes a report as files: tables, figures, and a page with all of them."""

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
    """A figure of a report: file name without suffix, title, and the function that draws it."""

    name: str
    title: str
    make: Callable[[], Figure]

    def svg(self) -> bytes:
        """The figure as an SVG file."""
        from seqvise.reports.figures import as_svg

        return as_svg(self.make())


def write_report(report: SweepReport, hyperparameters: Importance, heat: tuple[str, str] | None, folder: Path) -> None:
    """Writes ``report.csv``, ``report.md``, ``report.html`` and one SVG file per figure.

    Args:
        heat: the two parameters of a heat map.
    """
    drawings = list(drawings_of(report, hyperparameters, heat, curves_of(report))) if find_spec("matplotlib") else []
    if not find_spec("matplotlib"):
        log.warning(INSTALL)
    drawn = {drawing.name: drawing.svg() for drawing in drawings}
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        write_output(folder / f"{name}.svg", svg)
    write_output(folder / "report.csv", as_csv(report))
    titles = [(drawing.name, drawing.title) for drawing in drawings]
    write_output(folder / "report.md", as_markdown_page(report, hyperparameters, titles))
    figures = [(title, drawn[name]) for name, title in titles]
    write_output(folder / "report.html", as_html(report, hyperparameters, figures))


def curves_of(report: SweepReport) -> dict[Path, Points]:
    """The first metric of each job by training step, from the files of its logger."""
    return {job.path: learning_curve(job, report.metrics[0]) for job in report.jobs()} if report.metrics else {}


def drawings_of(
    report: SweepReport, hyperparameters: Importance, heat: tuple[str, str] | None, curves: Mapping[Path, Points]
) -> Iterator[Drawing]:
    """The figures of a report for which there is data.

    Args:
        heat: the two parameters of a heat map.
        curves: job folder -> curve of the first metric.
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
    if hyperparameters.parameters:
        yield Drawing("importance", "Importance of hyperparameters", lambda: figures.importance_figure(hyperparameters))
