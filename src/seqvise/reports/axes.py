"""Axes of parameters and metrics that can be read: logarithmic for rates, with the tried values as ticks."""

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
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
TICKS = 8
RANGES = 6
LETTERS = 22


class Scale:
    """Where the values of a parameter stand between 0 and 1.

    Numbers stand by size, by the size of their logarithm if all are above 0 and the largest is at least five times
    the smallest; other values at even distances.
    """

    def __init__(self, values: Iterable[Value]) -> None:
        self.values = ordered(set(values))
        self.sizes = [float(value) for value in self.values if is_number(value)]
        self.numeric = len(self.sizes) == len(self.values)
        self.logarithmic = self.numeric and is_rate(self.sizes)

    def place(self, value: Value) -> float:
        """Where a value stands, in [0, 1]; in the middle if there is only one."""
        if not self.numeric:
            return self.values.index(value) / (len(self.values) - 1) if len(self.values) > 1 else 0.5
        return position(float(value or 0), self.sizes[0], self.sizes[-1], self.logarithmic)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and words of the values; of round numbers where there are too many."""
        shown = round_numbers(self.sizes[0], self.sizes[-1], self.logarithmic) if self.in_ranges else self.values
        return [(self.place(value), short(text(value))) for value in shown]

    @property
    def in_ranges(self) -> bool:
        """Whether a heat map has a cell for a range of numbers, as each alone would be too many."""
        return self.numeric and len(self.values) > TICKS

    def cell(self, value: Value) -> int:
        """The number of a value's cell."""
        if not self.in_ranges:
            return self.values.index(value)
        return min(int(self.place(value) * RANGES), RANGES - 1)

    def cells(self) -> list[str]:
        """What each cell stands for: a value, or a range of numbers, equally wide on the scale."""
        if not self.in_ranges:
            return [short(text(value)) for value in self.values]
        low, high = self.sizes[0], self.sizes[-1]
        parts = [number / RANGES for number in range(RANGES + 1)]
        edges = [low * (high / low) ** part if self.logarithmic else low + (high - low) * part for part in parts]
        return [f"{start:.2g} to {end:.2g}" for start, end in pairwise(edges)]


def position(value: float, low: float, high: float, logarithmic: bool = False) -> float:
    """Where a number stands between two others; in the middle if they are one."""
    if high <= low:
        return 0.5
    if logarithmic:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def round_numbers(low: float, high: float, logarithmic: bool) -> list[float]:
    """Numbers between two others: 1, 3, 10, 30 and so on by the logarithm, else multiples of 1, 2 or 5; low < high."""
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        factors = (1, 3) if len(decades) < 5 else (1,)
        found = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
    else:
        rough = math.log10((high - low) / 5)
        step = next(part for part in (1, 2, 5, 10) if part >= 10 ** (rough % 1)) * 10.0 ** math.floor(rough)
        found = [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [number for number in found if low <= number <= high]


def is_rate(values: Sequence[float]) -> bool:
    """Whether numbers are better seen by their logarithm."""
    return min(values) > 0 and max(values) / min(values) >= DECADE


def short(label: str) -> str:
    """A label of at most 22 letters: the end is what tells paths and classes apart."""
    return label if len(label) <= LETTERS else f"…{label[1 - LETTERS :]}"


def literal(label: str) -> str:
    """A label in which a dollar does not begin mathematics."""
    return label.replace("$", r"\$")


def plain(axes: Axes) -> None:
    """Without a frame, with thin lines across."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e3e3", lw=0.7)
    axes.set_axisbelow(True)
