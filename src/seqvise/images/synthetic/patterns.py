"""Patterns of the built-in pictures, as polygons that cover an object's square from -1 to 1."""

from __future__ import annotations

from collections.abc import Sequence

from seqvise.dice import Dice
from seqvise.images.synthetic.brush import Brush, Points, box, oval, rotated
from seqvise.images.synthetic.colours import Colour

STEP = 0.36
"""Distance between stripes, and scale of the other patterns."""
REACH = 1.15
"""Extent of patterns, larger than 1 because they may be rotated."""


def draw_pattern(brush: Brush, points: Points, pattern: str, ground: Colour, ink: Colour, dice: Dice) -> None:
    """Fills a polygon with a pattern of random rotation and scale. pattern: its name."""
    brush.shape(points, ground)
    step = STEP * dice.between(0.85, 1.2)
    angle = dice.between(-25, 25) + (90 if dice.chance(0.5) else 0)
    brush.fill_pattern(points, [rotated(polygon, angle) for polygon in _PATTERNS[pattern](step)], ink)


def _striped(step: float) -> Sequence[Points]:
    return [box(-REACH, y, REACH, y + step * 0.5) for y in _grid(step)]


def _dotted(step: float) -> Sequence[Points]:
    rows = enumerate(_grid(step))
    return [oval(x + step * (row % 2) / 2, y, step * 0.29) for row, y in rows for x in _grid(step)]


def _checkered(step: float) -> Sequence[Points]:
    side = step * 0.75
    rows = enumerate(_grid(side))
    return [
        box(x, y, x + side, y + side) for row, y in rows for column, x in enumerate(_grid(side)) if (row + column) % 2
    ]


def _zigzag(step: float) -> Sequence[Points]:
    step *= 1.2
    turns = [(x, step * 0.55 * (index % 2)) for index, x in enumerate(_grid(step * 0.55))]
    return [
        [(x, y + up) for x, up in turns] + [(x, y + up + step * 0.42) for x, up in reversed(turns)] for y in _grid(step)
    ]


def _grid(step: float) -> list[float]:
    count = int(REACH / step) + 1
    return [step * index for index in range(-count, count + 1)]


_PATTERNS = {"checkered": _checkered, "dotted": _dotted, "striped": _striped, "zigzag": _zigzag}
