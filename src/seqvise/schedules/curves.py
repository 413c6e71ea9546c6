"""Schedules as pure functions of the position in training.

A position is the number of optimizer steps done. The first step of N gets the curve's start, the last is taken at
progress (N - 1) / N: it lies one step before the curve's end, which the step after it would get. fast.ai counts the
same way, so the lesson's (10 - epoch) / 10 leaves .1 for the tenth epoch, not 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

from seqvise.models.options import ForcingOptions
from seqvise.schedules.options import ScheduleOptions

TAIL = 0.1  # the share of an annihilating cycle that lies below its start


@dataclass(frozen=True)
class Position:
    """A place in training.

    Attributes:
        step: optimizer steps done, 0 before the first.
        steps: optimizer steps of the whole training, at least 1.
        epoch: epochs done.
        epochs: epochs of the whole training, at least 1.
    """

    step: int
    steps: int
    epoch: int
    epochs: int

    @property
    def progress(self) -> float:
        """The share of training that is done, in [0, 1]."""
        return min(self.step / self.steps, 1.0)


Curve: TypeAlias = Callable[[Position], float]


@runtime_checkable
class Bounded(Protocol):
    """A curve with a length of its own, which training may turn out to be too short for."""

    def problem(self, end: Position) -> str | None:
        """A sentence where the curve is longer than training. end: the position after the last step."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value everywhere."""

    value: float = 1.0

    def __call__(self, _: Position) -> float:
        """The value, wherever the position."""
        return self.value


@dataclass(frozen=True)
class OneCycle:
    """fast.ai's ``use_clr=(div, cut)``, a slanted triangle, as a factor of the peak rate.

    With p the progress and h = p·cut up to p = 1/cut, h = (1 - p) / (1 - 1/cut) after it:
    factor = (1 + h·(div - 1)) / div. So 1/div at the start, 1 at 1/cut, 1/div at the end.
    (Smith 2017, arXiv:1506.01186; Howard and Ruder 2018, arXiv:1801.06146, equation 3, with ratio = div and
    cut_frac = 1/cut; they let the peak fall on a whole step.)
    """

    div: float = 20.0
    cut: float = 10.0

    def __call__(self, position: Position) -> float:
        """The factor, in [1/div, 1]."""
        return _between(1 / self.div, 1.0, _triangle(position.progress, 1 / self.cut, 1.0))


@dataclass(frozen=True)
class OneCycleAnnihilate:
    """The one-cycle policy's rate, as a factor of its peak (Smith 2018, arXiv:1803.09820; fast.ai's ``use_clr_beta``).

    From 1/div up to 1 over the first 45 % of the steps, back to 1/div over the next 45 %, then over the last tenth
    down to 1/(div·final); every part is a straight line.
    """

    div: float = 20.0
    final: float = 100.0

    def __call__(self, position: Position) -> float:
        """The factor, in [1/(div·final), 1]."""
        progress, low = position.progress, 1 / self.div
        if progress <= 1 - TAIL:
            return _between(low, 1.0, _triangle(progress, (1 - TAIL) / 2, 1 - TAIL))
        return _between(low, low / self.final, (progress - (1 - TAIL)) / TAIL)


@dataclass(frozen=True)
class MomentumMirror:
    """The momentum of :class:`OneCycleAnnihilate`, an absolute value: highest where the rate is lowest.

    From high down to low over the first 45 % of the steps, back to high over the next 45 %, high in the last tenth.
    """

    high: float = 0.95
    low: float = 0.85

    def __call__(self, position: Position) -> float:
        """The momentum, in [low, high]."""
        return _between(self.high, self.low, _triangle(position.progress, (1 - TAIL) / 2, 1 - TAIL))


@dataclass(frozen=True)
class Noam:
    """A linear warmup, then the inverse square root, as a factor of the peak rate.

    With n = step + 1: factor = min(n / warmup, √(warmup / n)), which is 1 at n = warmup.
    (Vaswani et al. 2017, arXiv:1706.03762, equation 3, divided by its highest value.)
    """

    warmup: int = 4000

    def __call__(self, position: Position) -> float:
        """The factor, in (0, 1]."""
        number = position.step + 1
        return min(number / self.warmup, math.sqrt(self.warmup / number))


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up, then half a cosine down to 0, as a factor of the peak rate.

    With n = step + 1 and w = ``warmup``: factor = n / w up to n = w, after it (1 + cos(pi (n - w) / (N - w + 1))) / 2,
    N the steps of training. The step after the last would have 0, so that the last one still trains. With
    ``schedule.cycle_epochs`` it restarts. (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, with a lowest rate
    of 0; the warm-up of Goyal et al. 2017, arXiv:1706.02677.)
    """

    warmup: int = 0

    def __call__(self, position: Position) -> float:
        """The factor, in (0, 1]."""
        number = position.step + 1
        if number <= self.warmup:
            return number / self.warmup
        share = (number - self.warmup) / (position.steps - self.warmup + 1)
        return (1 + math.cos(math.pi * min(share, 1.0))) / 2

    def problem(self, end: Position) -> str | None:
        """A sentence where the warm-up is as long as training, or longer."""
        if self.warmup < end.steps or self.warmup == 0:
            return None
        return (
            f"schedule.warmup is {self.warmup} steps, but training, or its cycle, has {end.steps}: make it shorter, or "
            "0 for no warm-up."
        )


@dataclass(frozen=True)
class Linear:
    """A straight line: start + (end - start)·min(done / over, 1), done counted in epochs or in steps.

    With unit ``epoch`` the value changes between epochs only: start 1, end 0 and over 10 are the lesson's
    (10 - epoch) / 10. The end is the value after ``over`` units; with null, all of training, no step gets it.

    Attributes:
        start: the first step's value.
        end: the value from ``over`` units on.
        over: the length in units; null is all of training.
        unit: ``epoch`` or ``step``.
        key: the config key of ``over``, for messages.
    """

    start: float
    end: float
    over: float | None = None
    unit: str = "epoch"
    key: str = "over"

    def __call__(self, position: Position) -> float:
        """The value, between start and end."""
        done, length = self._measure(position)
        return _between(self.start, self.end, min(done / (self.over or length), 1.0))

    def problem(self, end: Position) -> str | None:
        """A sentence where the line is longer than training."""
        _, length = self._measure(end)
        if self.start == self.end or self.over is None or self.over <= length:
            return None
        return (
            f"{self.key} is {self.over:g} {self.unit}s, but training has {length}: "
            f"make it at most {length}, or null for all of training."
        )

    def _measure(self, position: Position) -> tuple[int, int]:
        by_epoch = self.unit == "epoch"
        return (position.epoch, position.epochs) if by_epoch else (position.step, position.steps)


@dataclass(frozen=True)
class Paced:
    """A curve over cycles shorter than training, or held still within each epoch, or both.

    Attributes:
        curve: the curve of one cycle.
        unit: with ``epoch``, a whole epoch gets the value of its first step.
        cycle_epochs: the cycle starts again after so many epochs; null is one cycle over all of training.
        key: the config key of ``cycle_epochs``, for messages.
    """

    curve: Curve
    unit: str = "step"
    cycle_epochs: float | None = None
    key: str = "schedule.cycle_epochs"

    def __call__(self, position: Position) -> float:
        """The curve's value at the place in its cycle."""
        held = position.epoch * position.steps // position.epochs if self.unit == "epoch" else position.step
        length = self._length(position)
        return self.curve(replace(position, step=held if length == position.steps else held % length, steps=length))

    def problem(self, end: Position) -> str | None:
        """A sentence where the cycle is longer than training, or too short for its curve."""
        if self.cycle_epochs is None or self.cycle_epochs <= end.epochs:
            length = self._length(end)
            return (
                self.curve.problem(replace(end, step=length, steps=length)) if isinstance(self.curve, Bounded) else None
            )
        return (
            f"{self.key} is {self.cycle_epochs:g}, but training has {end.epochs} epochs (trainer.max_epochs): "
            f"make the cycle at most {end.epochs}, or null for all of training."
        )

    def _length(self, position: Position) -> int:
        """Optimizer steps of one cycle."""
        if self.cycle_epochs is None:
            return position.steps
        return max(1, round(self.cycle_epochs * position.steps / position.epochs))


CURVES: Mapping[str, Callable[[ScheduleOptions], dict[str, Curve]]] = {
    "one_cycle": lambda options: {"lr": OneCycle(options.div, options.cut)},
    "one_cycle_annihilate": lambda options: {
        "lr": OneCycleAnnihilate(options.div, options.final),
        "momentum": MomentumMirror(options.momentum_high, options.momentum_low),
    },
    "constant": lambda _: {"lr": Constant()},
    "cosine": lambda options: {"lr": Cosine(options.warmup)},
    "noam": lambda options: {"lr": Noam(options.warmup)},
    "plateau": lambda _: {},
}
"""The curves of the rate and the momentum for each ``schedule.name`` of ``RATE_SCHEDULES``."""


def build_schedules(
    options: ScheduleOptions, forcing: ForcingOptions | None, custom: Callable[[ScheduleOptions], Curve] | None = None
) -> dict[str, Curve]:
    """The chosen curves, by the name of the number they move.

    Args:
        options: the rate and the momentum.
        forcing: the teacher forcing ratio; None for a model that has none.
        custom: the user's own class, where ``options.name`` is its dotted path; its curve is a factor of each rate.

    Returns:
        ``lr``, a factor of each group's rate (none with ``plateau``, which watches a metric instead); ``momentum``, an
        absolute value, with ``one_cycle_annihilate`` only; ``teacher_forcing``, a ratio; and those of ``others``.
    """
    curves: dict[str, Curve] = {
        name: Linear(ramp.start, ramp.end, ramp.over, ramp.unit, f"schedule.others.{name}.over")
        for name, ramp in options.ramps().items()
    }
    chosen = {"lr": custom(options)} if custom else CURVES[options.name](options)
    for name, curve in chosen.items():
        curves[name] = Paced(curve, options.unit, options.cycle_epochs)
    if forcing is not None:
        key = "model.teacher_forcing.over"
        curves["teacher_forcing"] = Linear(forcing.start, forcing.end, forcing.over, forcing.unit, key)
    return curves


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _triangle(progress: float, peak: float, end: float) -> float:
    if progress <= peak:
        return progress / peak
    return max(0.0, (end - progress) / (end - peak))
