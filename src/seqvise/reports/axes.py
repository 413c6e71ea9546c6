"""Readable axes for parameters and metrics: logarithmic for rates, with the tried values as ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from seqvise.reports.differences import is_number, ordered, text
from seqvise.reports.job import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECADE = 5.0
"""An axis is logarithmic if the largest value is at least this multiple of the smallest."""
TICKS = 8
RANGES = 6
LETTERS = 22


class Scale:
    """Maps the values of a parameter to positions in [0, 1].

    Numbers are placed linearly, or logarithmically if all are above 0 and the largest is at least five times the
    smallest. Other values are evenly spaced.
    """

    def __init__(self, values: Iterable[Value]) -> None:
        self.values = ordered(set(values))
        self.sizes = [float(value) for value in self.values if is_number(value)]
        self.numeric = len(self.sizes) == len(self.values)
        self.logarithmic = self.numeric and is_rate(self.sizes)

    def place(self, value: Value) -> float:
        """Position of a value in [0, 1]; 0.5 if there is only one."""
        if not self.numeric:
            return self.values.index(value) / (len(self.values) - 1) if len(self.values) > 1 else 0.5
        return position(float(value or 0), self.sizes[0], self.sizes[-1], self.logarithmic)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels of the values, or of round numbers if there are too many values."""
        shown = round_numbers(self.sizes[0], self.sizes[-1], self.logarithmic) if self.in_ranges else self.values
        return [(self.place(value), short(text(value))) for value in shown]

    @property
    def in_ranges(self) -> bool:
        """Whether the cells of a heat map are ranges of numbers, because there are too many values."""
        return self.numeric and len(self.values) > TICKS

    def cell(self, value: Value) -> int:
        """Index of a value's cell."""
        if not self.in_ranges:
            return self.values.index(value)
        return min(int(self.place(value) * RANGES), RANGES - 1)

    def cells(self) -> list[str]:
        """Label of each cell: a value, or a range of numbers; ranges are equally wide on the scale."""
        if not self.in_ranges:
            return [short(text(value)) for value in self.values]
        low, high = self.sizes[0], self.sizes[-1]
        parts = [number / RANGES for number in range(RANGES + 1)]
        edges = [low * (high / low) ** part if self.logarithmic else low + (high - low) * part for part in parts]
        return [f"{start:.2g} to {end:.2g}" for start, end in pairwise(edges)]


def position(value: float, low: float, high: float, logarithmic: bool = False) -> float:
    """Position of a number between two others, in [0, 1]; 0.5 if they are equal."""
    if high <= low:
        return 0.5
    if logarithmic:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def round_numbers(low: float, high: float, logarithmic: bool) -> list[float]:
    """Round numbers between low < high: 1, 3, 10, 30 ... if logarithmic, else multiples of 1, 2 or 5 times 10^k."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    decades = math.ceil(math.log10(high)) - math.floor(math.log10(low)) if logarithmic else 0
    rates = LogLocator(subs=(1.0, 3.0) if decades < 4 else (1.0,))
    locator = rates if logarithmic else MaxNLocator(5, steps=[1, 2, 5, 10])
    return [float(number) for number in locator.tick_values(low, high) if low <= number <= high]


def is_rate(values: Sequence[float]) -> bool:
    """Whether numbers suit a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) >= DECADE


def short(label: str) -> str:
    """A label of at most 22 characters. It keeps the end, which distinguishes paths and classes."""
    return label if len(label) <= LETTERS else f"…{label[1 - LETTERS :]}"


def plain(axes: Axes) -> None:
    """Removes the frame, and adds thin grid lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e3e3", lw=0.7)
    axes.set_axisbelow(True)
