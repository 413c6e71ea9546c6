"""How fast training goes, validation left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from seqvise.callbacks.hooks import SENTENCES

ValueT = TypeVar("ValueT", float, Tensor)


@dataclass
class Smoothed(Generic[ValueT]):
    """An exponential mean, debiased: m ← β·m + (1 - β)·x, read as m / (1 - βⁿ).

    Over numbers or over tensors; tensors stay on their device, so that adding does not wait for it.
    (Kingma and Ba 2015, arXiv:1412.6980, section 3; the lesson shows its training loss this way, β = .98.)

    Attributes:
        beta: the weight of the past, in [0, 1).
        mean: m, biased towards 0.
        count: n, the values added.
    """

    beta: float = 0.98
    mean: ValueT | float = 0.0
    count: int = 0

    def add(self, value: ValueT) -> ValueT:
        """Takes a value in; returns the debiased mean."""
        self.mean = self.beta * self.mean + (1 - self.beta) * value
        self.count += 1
        return self.mean / (1 - self.beta**self.count)


class Speedometer:
    """Counts tokens and items, such as sentences, over the time between laps; data loading counts, validation does not.

    Args:
        clock: seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mark = clock()
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted, and counts time from now."""
        self.seconds, self.tokens, self.items = 0.0, 0, 0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time since the last batch."""
        self._mark = self._clock()

    def add(self, tokens: int, items: int) -> None:
        """Counts a batch that has just ended."""
        now = self._clock()
        self.seconds += now - self._mark
        self._mark = now
        self.tokens += tokens
        self.items += items

    def rates(self, unit: str = SENTENCES) -> dict[str, float]:
        """Items a second since the last reset, by the name of their unit, behind the tokens of sentences; 0 before the
        first batch."""
        found = {"tokens": self.tokens, unit: self.items} if unit == SENTENCES else {unit: self.items}
        return {name: count / self.seconds if self.seconds else 0.0 for name, count in found.items()}
