"""A learning rate that is constant between a warm-up and a final decay."""

from __future__ import annotations

from seqvise.schedules.curves import Position
from seqvise.schedules.options import ScheduleOptions


class WarmupStableDecay:
    """Linear warm-up over ``schedule.warmup`` steps, then constant, then linear decay in the last fifth of training."""

    def __init__(self, options: ScheduleOptions) -> None:
        self.warmup = options.warmup

    def __call__(self, position: Position) -> float:
        """The factor of each learning rate, in (0, 1]."""
        remaining = (position.steps - position.step) / (0.2 * position.steps)
        return min((position.step + 1) / max(1, self.warmup), 1.0, remaining)
