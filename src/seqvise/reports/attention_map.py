"""Draws the attention weights of several sentences in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqvise.figures import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2
LETTERS, WORDS = 16, 40
"""Maximum characters of a label and words per axis; the rest is omitted."""
WORD, LETTER, TITLE, GAP, BAR = 0.3, 0.09, 0.3, 0.3, 1.1
"""Sizes in inches: a row or column, a character, a title, the gap between maps, the colour bar with its labels."""


class AttentionMap(NamedTuple):
    """Title of a sentence, its attention weights (T, S), its source words (S) and target words (T)."""

    title: str
    weights: NDArray[np.floating]
    source_words: Sequence[str]
    words: Sequence[str]

    def shown(self) -> NDArray[np.floating]:
        """The part of the weights that is drawn."""
        return self.weights[:WORDS, :WORDS]

    def columns(self) -> list[str]:
        """Labels of the columns: the source words."""
        return [_label(word) for word in self.source_words[: self.shown().shape[1]]]

    def rows(self) -> list[str]:
        """Labels of the rows: the target words."""
        return [_label(word) for word in self.words[: len(self.shown())]]


class MapPosition(NamedTuple):
    """Position of a map: inches from the left and upper edge of the figure to its weights."""

    left: float
    top: float


def attention_maps(maps: Sequence[AttentionMap]) -> Figure:
    """One map per sentence: a column per source word, a row per target word; darker cells have larger weights.

    Args:
        maps: at least one map.
    """
    from matplotlib.figure import Figure

    positions, width, height = _layout(maps)
    figure = Figure(figsize=(width, height), dpi=110)
    image: Any = None
    for attention, position in zip(maps, positions, strict=True):
        rows, columns = attention.shown().shape
        frame = (position.left, height - position.top - WORD * rows, WORD * columns, WORD * rows)
        axes = figure.add_axes(_fraction(frame, width, height))
        image = _draw(axes, attention)
    bar_height = min(2.5, height - positions[0].top - GAP / 2)
    bar_frame = (width - BAR + 0.2, height - positions[0].top - bar_height, 0.14, bar_height)
    bar = figure.add_axes(_fraction(bar_frame, width, height))
    figure.colorbar(image, cax=bar, label="attention weight").outline.set_visible(False)
    return figure


def _layout(maps: Sequence[AttentionMap]) -> tuple[list[MapPosition], float, float]:
    """Positions of the maps in a grid, and width and height of the figure in inches."""
    columns = min(COLUMNS, len(maps))
    label_widths = [max(_label_width(attention) for attention in maps[column::columns]) for column in range(columns)]
    widths = [max(_map_width(attention) for attention in maps[column::columns]) for column in range(columns)]
    rows_of_maps = [maps[start : start + columns] for start in range(0, len(maps), columns)]
    header_heights = [max(map(_header_height, row)) for row in rows_of_maps]
    heights = [max(WORD * len(attention.shown()) for attention in row) for row in rows_of_maps]
    x_offsets = list(
        accumulate((left + wide + GAP for left, wide in zip(label_widths, widths, strict=True)), initial=GAP)
    )
    y_offsets = list(
        accumulate((top + high + GAP for top, high in zip(header_heights, heights, strict=True)), initial=GAP / 2)
    )
    positions = [
        MapPosition(
            x_offsets[index % columns] + label_widths[index % columns],
            y_offsets[index // columns] + header_heights[index // columns],
        )
        for index in range(len(maps))
    ]
    return positions, x_offsets[-1] + BAR, max(y_offsets[-1], header_heights[0] + 1.5)


def _label_width(attention: AttentionMap) -> float:
    return LETTER * max(map(len, attention.rows()))


def _header_height(attention: AttentionMap) -> float:
    # The column labels are rotated by 55 degrees.
    return TITLE + 0.2 + 0.82 * LETTER * max(map(len, attention.columns()))


def _map_width(attention: AttentionMap) -> float:
    labels = attention.columns()
    slanted_ends = (WORD * index + 0.57 * LETTER * len(label) for index, label in enumerate(labels))
    return max(WORD * len(labels), *slanted_ends)


def _fraction(
    frame: tuple[float, float, float, float], width: float, height: float
) -> tuple[float, float, float, float]:
    left, bottom, wide, high = frame
    return left / width, bottom / height, wide / width, high / height


def _draw(axes: Axes, attention: AttentionMap) -> Any:
    rows, columns = attention.shown().shape
    image = axes.imshow(attention.shown(), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    slanted: dict[str, Any] = {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    axes.set_xticks(range(columns), list(map(literal, attention.columns())), fontsize=9, **slanted)
    axes.set_yticks(range(rows), list(map(literal, attention.rows())), fontsize=9)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.92", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    above = (_header_height(attention) - TITLE / 2) * 72
    style: dict[str, Any] = {"fontsize": 9, "color": "0.4", "va": "center"}
    axes.annotate(attention.title, (0, 1), (0, above), "axes fraction", "offset points", **style)
    return image


def _label(word: str) -> str:
    return word if len(word) <= LETTERS else f"{word[: LETTERS - 1]}…"
