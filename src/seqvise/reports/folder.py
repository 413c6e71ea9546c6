"""A report as files: tables, figures, and a page that holds all of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.files import atomic_write, write_text
from seqvise.reports.curves import learning_curve
from seqvise.reports.grid import as_csv
from seqvise.reports.importance import Importance
from seqvise.reports.page import as_html, as_markdown_page
from seqvise.reports.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = "Figures need matplotlib, which is not installed: `pip install 'seqvise[report]'`. The tables are written."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """A figure of a report: its file's name without the ending, its title, and the SVG file."""

    name: str
    title: str
    svg: bytes


def write_report(report: Report, found: Importance, heat: tuple[str, str] | None, folder: Path) -> None:
    """Writes ``report.csv``, ``report.md``, ``report.html`` and a SVG file a figure.

    Args:
        report: what is written.
        found: the importance of its parameters.
        heat: the two parameters of a heat map.
        folder: made if it is not there.
    """
    drawn = draw(report, found, heat) if find_spec("matplotlib") else []
    if not find_spec("matplotlib"):
        log.warning(INSTALL)
    for figure in drawn:
        with atomic_write(folder / f"{figure.name}.svg") as path:
            path.write_bytes(figure.svg)
    write_text(folder / "report.csv", as_csv(report))
    write_text(folder / "report.md", as_markdown_page(report, found, [(each.name, each.title) for each in drawn]))
    write_text(folder / "report.html", as_html(report, found, [(each.title, each.svg) for each in drawn]))


def draw(report: Report, found: Importance, heat: tuple[str, str] | None) -> list[Drawn]:
    """The figures for which there is something to show."""
    from seqvise.reports import figures

    makers = _makers(report, found, heat)
    return [Drawn(name, title, figures.as_svg(make())) for name, (title, make) in makers.items()]


def _makers(
    report: Report, found: Importance, heat: tuple[str, str] | None
) -> Mapping[str, tuple[str, Callable[[], Figure]]]:
    from seqvise.reports import figures

    makers: dict[str, tuple[str, Callable[[], Figure]]] = {}
    if report.metrics:
        curves = {job.path: learning_curve(job, report.metrics[0]) for job in report.jobs()}
        if any(curves.values()):
            makers["curves"] = ("Learning curves", lambda: figures.curves_figure(report, curves))
    if not report.rows or not math.isfinite(report.rows[0].best.mean):
        return makers
    if report.differing.parameters:
        makers["parallel"] = ("Parallel coordinates", lambda: figures.parallel_figure(report))
    if heat is not None:
        makers["heat"] = ("Heat map", lambda: figures.heat_figure(report, *heat))
    if found.parameters:
        makers["importance"] = ("Importance of hyperparameters", lambda: figures.importance_figure(found))
    return makers
