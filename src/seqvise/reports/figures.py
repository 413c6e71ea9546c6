"""The figures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from seqvise.reports.axes import Scale, literal, plain, position
from seqvise.reports.curves import Points
from seqvise.reports.differences import value_of
from seqvise.reports.grid import number_text
from seqvise.reports.importance import Importance
from seqvise.reports.job import Job
from seqvise.reports.metrics import UNITS
from seqvise.reports.report import SweepReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b0a000")
"""Told apart by the colour-blind (Okabe and Ito; the yellow darker)."""
GREY = "#c4c4c4"
COLOUR_MAP = "viridis"
WORDS = 64
"""Letters of a configuration in a legend."""


def curves_figure(report: SweepReport, curves: Mapping[Path, Points]) -> Figure:
    """The first metric by training step, a line a job: the best configurations in colours, all others grey."""
    from matplotlib.figure import Figure

    metric = report.metrics[0]
    rows = [row for row in report.rows if any(curves.get(job.path) for job in row.jobs)]
    shown = rows[: len(COLOURS)]
    figure = Figure(figsize=(9, 4.6 + 0.2 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for number, row in reversed(list(enumerate(rows))):
        style = {"color": COLOURS[number] if number < len(COLOURS) else GREY, "lw": 1.5}
        for job in row.jobs:
            _curve(axes, curves.get(job.path, []), style, job.state() == "ok")
    handles = [_handle(COLOURS[number]) for number in range(len(shown))]
    labels = [_cut(report.label(row)) for row in shown]
    if len(rows) > len(shown):
        handles, labels = [*handles, _handle(GREY)], [*labels, f"{len(rows) - len(shown)} more"]
    axes.set(xlabel="training step", ylabel=literal(metric))
    plain(axes)
    title = f"{metric} in training, a line a job, best configuration first (dashed to a cross: not done)"
    figure.legend(
        handles, labels, loc="outside lower left", title=literal(title), alignment="left", frameon=False, fontsize=9
    )
    return figure


def parallel_figure(report: SweepReport) -> Figure:
    """A line a job through its value of each parameter to its result, coloured by the result."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names, metric = report.differing.parameters, report.metrics[0]
    jobs = _done(report)
    scales = [Scale([value_of(job, name) for job, _ in jobs]) for name in names]
    low, high = min(result for _, result in jobs), max(result for _, result in jobs)
    figure = Figure(figsize=(max(6.0, 2.2 * (len(names) + 1)), 4.6), layout="constrained")
    axes = figure.subplots()
    better = sorted(jobs, key=lambda each: each[1], reverse=report.mode == "min")
    for job, result in better:
        places = [scale.place(value_of(job, name)) for name, scale in zip(names, scales, strict=True)]
        height = position(result, low, high)
        axes.plot(range(len(names) + 1), [*places, height], color=colormaps[COLOUR_MAP](height), lw=1.6)
    for number, scale in enumerate(scales):
        _upright(axes, number, scale.ticks())
    ticks = [low + (high - low) * part / 4 for part in range(5)] if high > low else [low]
    _upright(axes, len(names), [(position(tick, low, high), number_text(tick)) for tick in ticks])
    axes.set_xticks(range(len(names) + 1), [literal(_broken(name)) for name in (*names, _with_unit(metric))])
    axes.set(yticks=[], ylim=(-0.04, 1.06), xlim=(-0.35, len(names) + 0.45))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"{len(jobs)} jobs, a line each, coloured by {literal(metric)}", loc="left", fontsize=10)
    return figure


def heat_figure(report: SweepReport, across: str, down: str) -> Figure:
    """The mean of the first metric over all jobs with two parameters' values, with the number of jobs."""
    from matplotlib.figure import Figure

    jobs = _done(report)
    columns, rows = (Scale([value_of(job, name) for job, _ in jobs]) for name in (across, down))
    cells: dict[tuple[int, int], list[float]] = {}
    for job, result in jobs:
        cells.setdefault((rows.cell(value_of(job, down)), columns.cell(value_of(job, across))), []).append(result)
    width, height = len(columns.cells()), len(rows.cells())
    means = np.full((height, width), np.nan)
    for place, results in cells.items():
        means[place] = fmean(results)
    figure = Figure(figsize=(3.4 + 1.1 * width, 2.0 + 0.62 * height), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(means, cmap=COLOUR_MAP, aspect="auto", origin="lower" if rows.numeric else "upper")
    _cell_texts(axes, cells, image.get_clim())
    axes.set_xticks(range(width), list(map(literal, columns.cells())))
    axes.set_yticks(range(height), list(map(literal, rows.cells())))
    axes.set(xlabel=literal(across), ylabel=literal(down))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"mean of {literal(report.metrics[0])} over n jobs; blank: none", loc="left", fontsize=10)
    figure.colorbar(image, label=literal(_with_unit(report.metrics[0]))).outline.set_visible(False)
    return figure


def importance_figure(found: Importance) -> Figure:
    """A bar a hyperparameter by each of both measures, the most important first."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    names = list(found.parameters)
    figure = Figure(figsize=(8, 1.8 + 0.55 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = {"forest (impurity)": "#9aa5b1", "fANOVA (alone)": COLOURS[0]}
    for number, (label, colour) in enumerate(bars.items()):
        shares = [found.parameters[name][number].mean for name in names]
        spread = [found.parameters[name][number].deviation for name in names]
        reach = [[min(pair) for pair in zip(ends, spread, strict=True)] for ends in (shares, [1 - x for x in shares])]
        places = [place + 0.38 * (number - 0.5) for place in range(len(names))]
        axes.barh(places, shares, 0.36, color=colour, label=label, xerr=reach, error_kw={"lw": 0.9})
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="share of the variance over configurations (bar), standard deviation over trees (line)")
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    plain(axes)
    axes.set_title(literal(found.verdict), loc="left", fontsize=10, wrap=True)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    return figure


def as_svg(figure: Figure) -> bytes:
    """A figure as an SVG file, the same each time; its letters are shapes, so that no font is needed."""
    import matplotlib

    file = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "seqvise"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _curve(axes: Axes, points: Points, style: dict[str, object], done: bool) -> None:
    if points:
        steps, values = zip(*points, strict=True)
        marker = "" if done and len(points) > 1 else "o" if done else "x"
        line = "-" if done else "--"
        axes.plot(steps, values, linestyle=line, marker=marker, markevery=[-1], **style)  # type: ignore[arg-type]


def _handle(colour: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, lw=2)


def _done(report: SweepReport) -> list[tuple[Job, float]]:
    numbers = [(job, job.number(report.metrics[0])) for row in report.rows for job in row.jobs]
    return [(job, number) for job, number in numbers if number is not None and number - number == 0]


def _upright(axes: Axes, place: float, ticks: Sequence[tuple[float, str]]) -> None:
    axes.axvline(place, ymin=0.04 / 1.1, ymax=1.04 / 1.1, color="#555555", lw=0.9)
    for height, label in ticks:
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
        words = literal(label)
        axes.annotate(words, (place, height), (4, 0), "data", "offset points", va="center", fontsize=8.5, bbox=box)


def _cell_texts(axes: Axes, cells: Mapping[tuple[int, int], list[float]], limits: tuple[float, float]) -> None:
    low, high = limits
    for (row, column), results in cells.items():
        mean = fmean(results)
        colour = "white" if mean - low < 0.6 * (high - low) else "black"
        words = f"{number_text(mean)}\nn={len(results)}"
        axes.text(column, row, words, ha="center", va="center", fontsize=9, color=colour)


def _with_unit(metric: str) -> str:
    return f"{metric} ({UNITS[metric]})" if metric in UNITS else metric


def _broken(name: str) -> str:
    """A key on several lines, broken behind its points."""
    return name.replace(".", ".\n") if len(name) > 16 else name


def _cut(label: str) -> str:
    return literal(label if len(label) <= WORDS else f"{label[: WORDS - 1]}…")
