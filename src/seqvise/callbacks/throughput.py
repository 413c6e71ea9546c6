"""Training throughput, without validation, and exponential smoothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from seqvise.tasks.samples import TaskFields

ValueT = TypeVar("ValueT", float, Tensor)


@dataclass
class Smoothed(Generic[ValueT]):
    """A debiased exponential moving average: m ← β·m + (1 - β)·x, returned as m / (1 - βⁿ).

    Values are numbers or tensors; tensors stay on their device, so that adding does not synchronise.
    (Kingma and Ba 2015, arXiv:1412.6980, section 3; fast.ai (2018) smooths its training loss with β = .98.)

    Attributes:
        beta: decay β, in [0, 1).
        mean: m, biased towards 0.
        count: n, number of added values.
    """

    beta: float = 0.98
    mean: ValueT | float = 0.0
    count: int = 0

    def add(self, value: ValueT) -> ValueT:
        """Adds a value; returns the debiased mean."""
        self.mean = self.beta * self.mean + (1 - self.beta) * value
        self.count += 1
        return self.mean / (1 - self.beta**self.count)


class Speedometer:
    """Counts tokens and items, such as sentences, per second, including data loading and excluding validation.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mark = clock()
        self.reset()

    def reset(self) -> None:
        """Resets all counts and starts the clock."""
        self.seconds, self.tokens, self.items = 0.0, 0, 0
        self.resume()

    def resume(self) -> None:
        """Excludes the time since the last batch."""
        self._mark = self._clock()

    def add(self, tokens: int, items: int) -> None:
        """Adds a completed batch."""
        now = self._clock()
        self.seconds += now - self._mark
        self._mark = now
        self.tokens += tokens
        self.items += items

    def rates(self, unit: str = TaskFields.unit) -> dict[str, float]:
        """Items per second since the last reset, by unit; for sentences, tokens per second come first.

        Rates are 0 before the first batch.
        """
        counts = {"tokens": self.tokens, unit: self.items} if unit == TaskFields.unit else {unit: self.items}
        return {name: count / self.seconds if self.seconds else 0.0 for name, count in counts.items()}
