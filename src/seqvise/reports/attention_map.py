"""One figure with the attention of several sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2
LETTERS, WORDS = 16, 40
"""Letters of a label and words of a side that are drawn; of longer ones the rest is left out."""
WORD, LETTER, TITLE, GAP, BAR = 0.3, 0.09, 0.3, 0.3, 1.1
"""Inches of a word's row or column, of a letter, of a title, between maps, and of the colour bar with its labels."""


class AttentionMap(NamedTuple):
    """A sentence's title, its weights (T, S), and the words of both sides."""

    title: str
    weights: NDArray[np.floating]
    source_words: Sequence[str]
    words: Sequence[str]

    def shown(self) -> NDArray[np.floating]:
        """The weights that are drawn."""
        return self.weights[:WORDS, :WORDS]

    def columns(self) -> list[str]:
        """The labels above."""
        return [_label(word) for word in self.source_words[: self.shown().shape[1]]]

    def rows(self) -> list[str]:
        """The labels on the left."""
        return [_label(word) for word in self.words[: len(self.shown())]]


class Place(NamedTuple):
    """Where a map stands: inches from the figure's left and upper edge to its weights."""

    left: float
    top: float


def attention_maps(maps: Sequence[AttentionMap]) -> Figure:
    """A map for each sentence: a column for each source word, a row for each word said, dark where it looked.

    Args:
        maps: at least one.
    """
    from matplotlib.figure import Figure

    places, width, height = _layout(maps)
    figure = Figure(figsize=(width, height), dpi=110)
    image: Any = None
    for one, place in zip(maps, places, strict=True):
        rows, columns = one.shown().shape
        frame = (place.left, height - place.top - WORD * rows, WORD * columns, WORD * rows)
        axes = figure.add_axes(_share(frame, width, height))
        image = _draw(axes, one)
    long = min(2.5, height - places[0].top - GAP / 2)
    bar = figure.add_axes(_share((width - BAR + 0.2, height - places[0].top - long, 0.14, long), width, height))
    figure.colorbar(image, cax=bar, label="attention weight").outline.set_visible(False)
    return figure


def _layout(maps: Sequence[AttentionMap]) -> tuple[list[Place], float, float]:
    """The maps' places in a grid, and the figure's width and height in inches."""
    columns = min(COLUMNS, len(maps))
    lefts = [max(_left(one) for one in maps[column::columns]) for column in range(columns)]
    widths = [max(_width(one) for one in maps[column::columns]) for column in range(columns)]
    lines = [maps[start : start + columns] for start in range(0, len(maps), columns)]
    tops = [max(map(_top, line)) for line in lines]
    heights = [max(WORD * len(one.shown()) for one in line) for line in lines]
    across = list(accumulate((left + wide + GAP for left, wide in zip(lefts, widths, strict=True)), initial=GAP))
    down = list(accumulate((top + high + GAP for top, high in zip(tops, heights, strict=True)), initial=GAP / 2))
    places = [
        Place(across[index % columns] + lefts[index % columns], down[index // columns] + tops[index // columns])
        for index in range(len(maps))
    ]
    return places, across[-1] + BAR, max(down[-1], tops[0] + 1.5)


def _left(one: AttentionMap) -> float:
    return LETTER * max(map(len, one.rows()))


def _top(one: AttentionMap) -> float:
    # The labels above stand at 55 degrees.
    return TITLE + 0.2 + 0.82 * LETTER * max(map(len, one.columns()))


def _width(one: AttentionMap) -> float:
    labels = one.columns()
    leaning = (WORD * index + 0.57 * LETTER * len(label) for index, label in enumerate(labels))
    return max(WORD * len(labels), *leaning)


def _share(frame: tuple[float, float, float, float], width: float, height: float) -> tuple[float, float, float, float]:
    left, bottom, wide, high = frame
    return left / width, bottom / height, wide / width, high / height


def _draw(axes: Axes, one: AttentionMap) -> Any:
    rows, columns = one.shown().shape
    image = axes.imshow(one.shown(), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    slanted: dict[str, Any] = {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    axes.set_xticks(range(columns), list(_plain(one.columns())), fontsize=9, **slanted)
    axes.set_yticks(range(rows), list(_plain(one.rows())), fontsize=9)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.92", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    above = (_top(one) - TITLE / 2) * 72
    axes.annotate(one.title, (0, 1), (0, above), "axes fraction", "offset points", fontsize=9, color="0.4", va="center")
    return image


def _label(word: str) -> str:
    return word if len(word) <= LETTERS else f"{word[: LETTERS - 1]}…"


def _plain(labels: Sequence[str]) -> Iterator[str]:
    """Labels in which a dollar does not begin mathematics."""
    return (label.replace("$", r"\$") for label in labels)
