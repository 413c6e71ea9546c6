"""Matplotlib figures as PNG files or arrays, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqvise.outputs import write_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES_PER_WORD = 0.36


def single_axes(width: float, height: float, dpi: int = 100) -> tuple[Figure, Axes]:
    """A figure with one diagram, laid out so that all labels fit. width, height: in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    return figure, figure.subplots()


def literal(label: str) -> str:
    """A label with escaped dollars, which would start math text."""
    return label.replace("$", r"\$")


def attention_figure(
    weights: npt.NDArray[np.floating], source_words: Sequence[str], output_words: Sequence[str]
) -> Figure:
    """An attention heat map: one column per source word, one row per output word, darker for larger weights.

    Args:
        weights: (T, S), each row summing to 1.
        source_words: S words.
        output_words: T words.
    """
    rows, columns = weights.shape
    size = (max(3.0, 1.9 + INCHES_PER_WORD * columns), max(2.4, 1.5 + INCHES_PER_WORD * rows))
    figure, axes = single_axes(*size)
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    slanted: dict[str, Any] = {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    axes.set_xticks(range(columns), list(map(literal, source_words)), fontsize=9, **slanted)
    axes.set_yticks(range(rows), list(map(literal, output_words)), fontsize=9)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("source")
    axes.set_ylabel("output")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.9, aspect=30, label="weight")
    return figure


def pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    """The rendered figure, (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[:, :, :3]  # type: ignore[no-untyped-call]


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG file, see ``output_file``."""
    content = BytesIO()
    figure.savefig(content, format="png")
    write_output(path, content.getvalue())
