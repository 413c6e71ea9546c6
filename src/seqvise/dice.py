"""Random draws for the built-in data, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """Made from a seed of any text. Python promises the sequence of ``random()`` alone, so all draws are made of it."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[Item]) -> Item:
        """One of the options."""
        return options[int(self._random.random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True as often as ``probability`` says."""
        return self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        """A number from an interval, all equally likely."""
        return low + (high - low) * self._random.random()
