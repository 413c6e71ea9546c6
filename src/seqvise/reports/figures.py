"""Draws the figures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from seqvise.figures import literal, single_axes
from seqvise.reports.axes import Scale, plain, position
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
"""Colour-blind-safe palette (Okabe and Ito, with a darker yellow)."""
GREY = "#c4c4c4"
COLOUR_MAP = "viridis"
LEGEND_LENGTH = 64
"""Maximum characters of a configuration in a legend."""


def curves_figure(report: SweepReport, curves: Mapping[Path, Points]) -> Figure:
    """The first metric by training step, one line per job; the best configurations are coloured, the others grey."""
    metric = report.metrics[0]
    rows = [row for row in report.rows if any(curves.get(job.path) for job in row.jobs)]
    shown = rows[: len(COLOURS)]
    figure, axes = single_axes(9, 4.6 + 0.2 * len(shown))
    for number, row in reversed(list(enumerate(rows))):
        style = {"color": COLOURS[number] if number < len(COLOURS) else GREY, "lw": 1.5}
        for job in row.jobs:
            _curve(axes, curves.get(job.path, []), style, job.state() == "ok")
    handles = [_handle(COLOURS[number]) for number in range(len(shown))]
    labels = [_truncated(report.label(row)) for row in shown]
    if len(rows) > len(shown):
        handles, labels = [*handles, _handle(GREY)], [*labels, f"{len(rows) - len(shown)} more"]
    axes.set(xlabel="training step", ylabel=literal(metric))
    plain(axes)
    title = f"{metric} in training, one line per job, best configuration first (dashed with a cross: unfinished)"
    figure.legend(
        handles, labels, loc="outside lower left", title=literal(title), alignment="left", frameon=False, fontsize=9
    )
    return figure


def parallel_figure(report: SweepReport) -> Figure:
    """Parallel coordinates: one line per job through its parameter values to its result, coloured by the result."""
    from matplotlib import colormaps

    names, metric = report.differing.parameters, report.metrics[0]
    jobs = _finished_jobs(report)
    scales = [Scale([value_of(job, name) for job, _ in jobs]) for name in names]
    low, high = min(result for _, result in jobs), max(result for _, result in jobs)
    figure, axes = single_axes(max(6.0, 2.2 * (len(names) + 1)), 4.6)
    best_last = sorted(jobs, key=lambda pair: pair[1], reverse=report.mode == "min")
    for job, result in best_last:
        heights = [scale.place(value_of(job, name)) for name, scale in zip(names, scales, strict=True)]
        height = position(result, low, high)
        axes.plot(range(len(names) + 1), [*heights, height], color=colormaps[COLOUR_MAP](height), lw=1.6)
    for number, scale in enumerate(scales):
        _vertical_axis(axes, number, scale.ticks(), before=number == 0)
    ticks = [low + (high - low) * part / 4 for part in range(5)] if high > low else [low]
    _vertical_axis(axes, len(names), [(position(tick, low, high), number_text(tick)) for tick in ticks])
    axes.set_xticks(range(len(names) + 1), [literal(_split_key(name)) for name in (*names, _with_unit(metric))])
    axes.set(yticks=[], ylim=(-0.04, 1.06), xlim=(-0.35, len(names) + 0.45))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"{len(jobs)} jobs, one line per job, coloured by {literal(metric)}", loc="left", fontsize=10)
    return figure


def heat_figure(report: SweepReport, x_name: str, y_name: str) -> Figure:
    """Heat map: mean of the first metric, and number of jobs, for each pair of values of two parameters."""
    jobs = _finished_jobs(report)
    columns, rows = (Scale([value_of(job, name) for job, _ in jobs]) for name in (x_name, y_name))
    cells: dict[tuple[int, int], list[float]] = {}
    for job, result in jobs:
        cells.setdefault((rows.cell(value_of(job, y_name)), columns.cell(value_of(job, x_name))), []).append(result)
    width, height = len(columns.cells()), len(rows.cells())
    means = np.full((height, width), np.nan)
    for cell, results in cells.items():
        means[cell] = fmean(results)
    figure, axes = single_axes(3.4 + 1.1 * width, 2.0 + 0.62 * height)
    image = axes.imshow(means, cmap=COLOUR_MAP, aspect="auto", origin="lower" if rows.numeric else "upper")
    _cell_texts(axes, cells, image.get_clim())
    axes.set_xticks(range(width), list(map(literal, columns.cells())))
    axes.set_yticks(range(height), list(map(literal, rows.cells())))
    axes.set(xlabel=literal(x_name), ylabel=literal(y_name))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"mean of {literal(report.metrics[0])} over n jobs; blank: no job", loc="left", fontsize=10)
    figure.colorbar(image, label=literal(_with_unit(report.metrics[0]))).outline.set_visible(False)
    return figure


def importance_figure(result: Importance) -> Figure:
    """Two bars per hyperparameter, one for each measure, the most important first."""
    from matplotlib.ticker import PercentFormatter

    names = list(result.parameters)
    figure, axes = single_axes(8, 1.8 + 0.55 * len(names))
    bars = {"forest (impurity)": "#9aa5b1", "fANOVA (alone)": COLOURS[0]}
    for number, (label, colour) in enumerate(bars.items()):
        shares = [result.parameters[name][number].mean for name in names]
        deviations = [result.parameters[name][number].deviation for name in names]
        limits = (shares, [1 - share for share in shares])
        error_bars = [[min(pair) for pair in zip(limit, deviations, strict=True)] for limit in limits]
        offsets = [index + 0.38 * (number - 0.5) for index in range(len(names))]
        axes.barh(offsets, shares, 0.36, color=colour, label=label, xerr=error_bars, error_kw={"lw": 0.9})
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="share of the variance over configurations (bar), standard deviation over trees (line)")
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    plain(axes)
    axes.set_title(literal(result.verdict), loc="left", fontsize=10, wrap=True)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    return figure


def as_svg(figure: Figure) -> bytes:
    """A figure as a reproducible SVG file; text is drawn as shapes, so that no font is needed."""
    import matplotlib

    file = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "seqvise"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _curve(axes: Axes, points: Points, style: dict[str, object], finished: bool) -> None:
    if points:
        steps, values = zip(*points, strict=True)
        marker = "" if finished and len(points) > 1 else "o" if finished else "x"
        line = "-" if finished else "--"
        axes.plot(steps, values, linestyle=line, marker=marker, markevery=[-1], **style)  # type: ignore[arg-type]


def _handle(colour: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, lw=2)


def _finished_jobs(report: SweepReport) -> list[tuple[Job, float]]:
    numbers = [(job, job.number(report.metrics[0])) for row in report.rows for job in row.jobs]
    return [(job, number) for job, number in numbers if number is not None and number - number == 0]


def _vertical_axis(axes: Axes, x: float, ticks: Sequence[tuple[float, str]], before: bool = False) -> None:
    """Draws an axis with its labels after it, or before it where lines begin; lines end at the edge of a label."""
    axes.axvline(x, ymin=0.04 / 1.1, ymax=1.04 / 1.1, color="#555555", lw=0.9)
    for height, label in ticks:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        offset, side = (-6, "right") if before else (6, "left")
        axes.annotate(
            literal(label),
            (x, height),
            (offset, 0),
            "data",
            "offset points",
            ha=side,
            va="center",
            fontsize=9,
            bbox=box,
        )


def _cell_texts(axes: Axes, cells: Mapping[tuple[int, int], list[float]], limits: tuple[float, float]) -> None:
    low, high = limits
    for (row, column), results in cells.items():
        mean = fmean(results)
        colour = "white" if mean - low < 0.6 * (high - low) else "black"
        content = f"{number_text(mean)}\nn={len(results)}"
        axes.text(column, row, content, ha="center", va="center", fontsize=9, color=colour)


def _with_unit(metric: str) -> str:
    return f"{metric} ({UNITS[metric]})" if metric in UNITS else metric


def _split_key(name: str) -> str:
    """A long key on several lines, split after its dots."""
    return name.replace(".", ".\n") if len(name) > 16 else name


def _truncated(label: str) -> str:
    return literal(label if len(label) <= LEGEND_LENGTH else f"{label[: LEGEND_LENGTH - 1]}…")
