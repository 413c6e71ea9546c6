"""Draws learning curves; files are byte-identical for the same version of matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from results.curves import EPOCH
from results.record import Record
from results.tables import row_names
from seqvise.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"val/bleu": "higher is better", "val/loss_free": "lower is better"}
TEXT_PANELS = {"val/accuracy": "higher is better", "val/loss": "lower is better"}
"""Panels of language models and classifiers."""
DASHES = ("solid", "dashed", "dashdot", "dotted")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b0457b", "#7a5c00", "#4d4d4d")  # colour-blind-safe palette
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "seqvise",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 11,
}
LABEL_LENGTH = 36  # maximum characters of a label
SMALLEST_GAP = 0.085  # between two labels, as a fraction of the panel height


def drawable(records: Sequence[Record]) -> list[Record]:
    """The records with curves to draw."""
    return [record for record in records if any(record.curves.get(name) for name in _panels(records))]


def _panels(records: Sequence[Record]) -> dict[str, str]:
    translated = any(record.curves.get(name) for record in records for name in PANELS)
    return PANELS if translated else TEXT_PANELS


def alternative(dataset: str, records: Sequence[Record]) -> str:
    """Alternative text of the picture: the last value of each line."""
    ends = [
        f"{name} {', '.join(f'{value:.4g} {panel}' for panel, value in _ends(record, _panels(records)).items())}"
        for name, record in zip(row_names(records), records, strict=True)
    ]
    shown = " and ".join(_panels(records))
    return f"Learning curves on {dataset}, {shown} over epochs. At the end: {'; '.join(ends)}."


def draw(path: Path, dataset: str, records: Sequence[Record]) -> None:
    """Writes the picture of a data set: one panel per metric, one line per run with a label at its end."""
    from matplotlib import rc_context

    with rc_context(SETTINGS), atomic_write(path) as temporary:
        curves_figure(dataset, records).savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def curves_figure(dataset: str, records: Sequence[Record]) -> Figure:
    """The figure of the runs of a data set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.8), layout="constrained", facecolor="white")
    names = _panels(records)
    panels = figure.subplots(len(names), 1, sharex=True)
    for axes, (name, meaning) in zip(panels, names.items(), strict=True):
        _panel(axes, name, records)
        axes.set_ylabel(f"{name}\n({meaning})")
    panels[0].set_title(f"Learning curves on {dataset}", loc="left", fontsize=12)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def spread_out(positions: Sequence[float], gap: float) -> list[float]:
    """Moves positions in [0, 1] by the least squares so that neighbours are at least ``gap`` apart.

    After subtracting i gaps from the i-th smallest position, this is isotonic regression (pool adjacent violators).
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([positions[index] - rank * gap])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    highest = 1 - gap * (len(positions) - 1)
    level = [min(max(fmean(pool), 0.0), highest) for pool in pools for _ in pool]
    moved = {index: level[rank] + rank * gap for rank, index in enumerate(order)}
    return [moved[index] for index in range(len(positions))]


def _panel(axes: Axes, name: str, records: Sequence[Record]) -> None:
    ends: list[tuple[float, float, str, str]] = []
    labels = [name if len(name) <= LABEL_LENGTH else f"{name[: LABEL_LENGTH - 1]}…" for name in row_names(records)]
    for number, record in enumerate(records):
        points = _points(record, name)
        if not points:
            continue
        colour = COLOURS[number % len(COLOURS)]
        dash = DASHES[number // len(COLOURS) % len(DASHES)]
        marker = "o" if len(points) == 1 else None
        axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=1.8, marker=marker)
        ends.append((*points[-1], labels[number], colour))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02, y=0.06)
    _fix_heights(axes, [[value for _, value in _points(record, name)] for record in records])
    _label(axes, ends)


def _fix_heights(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    """Cuts off large losses of the first epochs, which would compress the other lines, and adds a note."""
    low, high = axes.get_ylim()
    settled = [value for curve in curves for value in curve[len(curve) // 6 :]]
    lowest, highest = min(settled, default=low), max(settled, default=high)
    margin = 0.06 * (highest - lowest)
    if margin > 0 and high - low > 1.3 * (highest + margin - low):
        low, high = lowest - margin, highest + margin
        axes.set_title("The first epochs are above the frame.", loc="left", fontsize=9, color="#555555")
    axes.set_ylim(low, high)


def _label(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Writes each label to the right of the panel, near the end of its line, and connects the two by a dotted line."""
    low, high = axes.get_ylim()
    heights = spread_out([(value - low) / (high - low) for _, value, _, _ in ends], SMALLEST_GAP)
    connector = {
        "arrowstyle": "-",
        "linewidth": 0.7,
        "linestyle": "dotted",
        "shrinkA": 1,
        "shrinkB": 1,
        "relpos": (0, 0.5),
    }
    for (epoch, value, label, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            label.replace("$", r"\$"),
            xy=(epoch, value),
            xytext=(1.03, height),
            textcoords="axes fraction",
            color=colour,
            verticalalignment="center",
            arrowprops={**connector, "color": colour},
        )


def _points(record: Record, name: str) -> list[tuple[float, float]]:
    pairs = zip(record.curves.get(EPOCH, []), record.curves.get(name, []), strict=False)
    return [(epoch, value) for epoch, value in pairs if epoch is not None and value is not None]


def _ends(record: Record, names: Iterable[str]) -> dict[str, float]:
    return {name: points[-1][1] for name in names if (points := _points(record, name))}
