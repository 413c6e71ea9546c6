"""A running mean that is right from its first value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

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
