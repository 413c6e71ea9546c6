"""Reproducible random draws for the built-in data, identical on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """A random generator seeded by a text.

    All draws use ``random.random()``, the only method whose sequence Python guarantees across versions.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[Item]) -> Item:
        """A uniformly drawn option."""
        return options[int(self._random.random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        """A uniform draw from the interval [low, high)."""
        return low + (high - low) * self._random.random()
