"""Plots of scores by source length and number of unknown words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqvise.evaluation.report import EvaluationReport, GroupReport, Score
from seqvise.figures import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"bleu": "BLEU", "chrf": "chrF"}
COLOURS = {"run": "#0072b2", "against": "#d55e00"}  # distinguishable with colour blindness
MARKS = {"run": "o", "against": "s"}
SHIFT = 0.1  # horizontal offset of the points of two systems, in units of the distance between ranges


def groups_figure(report: EvaluationReport) -> Figure:
    """BLEU and chrF with 95 % intervals by source length and by unknown words, above the sentences per range."""
    from matplotlib.figure import Figure

    columns = {"words of the source": report.by_length, "source words unknown to the vocabulary": report.by_unknown}
    widths = [len(groups) + 1.5 for groups in columns.values()]
    figure = Figure(figsize=(11, 7), dpi=100, layout="constrained")
    panels = figure.subplots(
        len(PANELS) + 1,
        len(columns),
        sharex="col",
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": [3, 3, 1.4], "width_ratios": widths},
    )
    for column, (title, groups) in enumerate(columns.items()):
        for row, name in enumerate(PANELS):
            _points(panels[row][column], name, groups)
        _bars(panels[-1][column], groups)
        panels[-1][column].set_xlabel(title)
    for row, name in enumerate([*(f"{name}, 95 % interval" for name in PANELS.values()), "sentences"]):
        panels[row][0].set_ylabel(name)
    _add_legend(figure, report, panels[0][0])
    return figure


def _add_legend(figure: Figure, report: EvaluationReport, axes: Axes) -> None:
    """Adds a legend above the panels with the names of systems and files."""
    names = [f"run: {report.run.name}"]
    if report.against is not None:
        names.append(f"against: {report.against.name}")
    title = f"{report.sentences:,} sentences of {report.source}, references {report.target}"
    figure.legend(
        axes.get_legend_handles_labels()[0],
        list(map(literal, names)),
        loc="outside upper left",
        title=literal(title),
        alignment="left",
        frameon=False,
    )


def _points(axes: Axes, name: str, groups: Sequence[GroupReport]) -> None:
    systems = {"run": [group.run for group in groups]}
    if groups[0].against:
        systems["against"] = [group.against for group in groups]
    for number, (system, scores) in enumerate(systems.items()):
        shift = SHIFT * (2 * number - 1) if len(systems) > 1 else 0.0
        positions = [index + shift for index in range(len(groups))]
        _line(axes, positions, [group_scores[name] for group_scores in scores], system)
    _style_axes(axes)


def _line(axes: Axes, positions: Sequence[float], scores: Sequence[Score], system: str) -> None:
    values = [score.value for score in scores]
    # The bootstrap interval does not always contain the score.
    below = [max(0.0, score.value - score.interval.low) for score in scores]
    above = [max(0.0, score.interval.high - score.value) for score in scores]
    axes.errorbar(
        positions,
        values,
        [below, above],
        fmt=f"{MARKS[system]}-",
        color=COLOURS[system],
        capsize=3,
        lw=1.2,
        label=system,
    )


def _bars(axes: Axes, groups: Sequence[GroupReport]) -> None:
    bars = axes.bar(range(len(groups)), [group.sentences for group in groups], color="#9aa5b1", width=0.7)
    axes.bar_label(bars, [f"{group.sentences:,}" for group in groups], fontsize=8, padding=2)
    axes.set_xticks(range(len(groups)), [group.label for group in groups])
    axes.margins(y=0.25)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    _style_axes(axes)


def _style_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.7)
    axes.set_axisbelow(True)
