"""Schedules as pure functions of the position in training.

A position is the number of completed optimizer steps. Of N steps, the first has the curve's first value. The last has
progress (N - 1) / N, one step before the curve's end. fast.ai counts the same way: (10 - epoch) / 10 is .1 in the tenth
epoch, not 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

from seqvise.models.options import ForcingOptions
from seqvise.schedules.options import ScheduleOptions

TAIL = 0.1  # fraction of an annihilating cycle in which the rate is below its first value


@dataclass(frozen=True)
class Position:
    """A position in training."""

    step: int  # completed optimizer steps, 0 before the first
    steps: int  # optimizer steps of the whole training, at least 1
    epoch: int  # completed epochs
    epochs: int  # epochs of the whole training, at least 1

    @property
    def progress(self) -> float:
        """The completed fraction of training, in [0, 1]."""
        return min(self.step / self.steps, 1.0)


Curve: TypeAlias = Callable[[Position], float]


@runtime_checkable
class Bounded(Protocol):
    """A curve with its own length, which may be longer than training."""

    def problem(self, end: Position) -> str | None:
        """A sentence if the curve is longer than training. end: the position after the last step."""
        ...


@dataclass(frozen=True)
class Constant:
    """A constant value."""

    value: float = 1.0

    def __call__(self, _: Position) -> float:
        return self.value


@dataclass(frozen=True)
class OneCycle:
    """fast.ai's ``use_clr=(div, cut)``, a slanted triangle, as a factor of the peak rate.

    With p the progress, and h = p·cut up to p = 1/cut, then h = (1 - p) / (1 - 1/cut):
    factor = (1 + h·(div - 1)) / div. It is 1/div at the start, 1 at p = 1/cut, and 1/div at the end.
    (Smith 2017, arXiv:1506.01186; Howard and Ruder 2018, arXiv:1801.06146, equation 3, with ratio = div and
    cut_frac = 1/cut; in the paper the peak is on a whole step.)
    """

    div: float = 20.0
    cut: float = 10.0

    def __call__(self, position: Position) -> float:
        """The factor, in [1/div, 1]."""
        return _between(1 / self.div, 1.0, _triangle(position.progress, 1 / self.cut, 1.0))


@dataclass(frozen=True)
class OneCycleAnnihilate:
    """The one-cycle policy's rate, as a factor of its peak (Smith 2018, arXiv:1803.09820; fast.ai's ``use_clr_beta``).

    Piecewise linear: from 1/div to 1 during the first 45 % of the steps, back to 1/div during the next 45 %, and to
    1/(div·final) during the last tenth.
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

    From high to low during the first 45 % of the steps, back to high during the next 45 %, and high in the last tenth.
    """

    high: float = 0.95
    low: float = 0.85

    def __call__(self, position: Position) -> float:
        """The momentum, in [low, high]."""
        return _between(self.high, self.low, _triangle(position.progress, (1 - TAIL) / 2, 1 - TAIL))


@dataclass(frozen=True)
class Noam:
    """A linear warm-up, then the inverse square root, as a factor of the peak rate.

    With n = step + 1: factor = min(n / warmup, √(warmup / n)), which is 1 at n = warmup.
    (Vaswani et al. 2017, arXiv:1706.03762, equation 3, divided by its maximum.)
    """

    warmup: int = 4000

    def __call__(self, position: Position) -> float:
        """The factor, in (0, 1]."""
        number = position.step + 1
        return min(number / self.warmup, math.sqrt(self.warmup / number))


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up, then half a cosine down to 0, as a factor of the peak rate.

    With n = step + 1, w = ``warmup`` and N steps of training: factor = n / w up to n = w, then
    (1 + cos(pi (n - w) / (N - w + 1))) / 2. It would be 0 at the step after the last, so the last step still trains.
    With ``schedule.cycle_epochs`` it restarts. (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, with
    minimum 0; the warm-up of Goyal et al. 2017, arXiv:1706.02677.)
    """

    warmup: int = 0

    def __call__(self, position: Position) -> float:
        """The factor, in (0, 1]."""
        number = position.step + 1
        if number <= self.warmup:
            return number / self.warmup
        fraction = (number - self.warmup) / (position.steps - self.warmup + 1)
        return (1 + math.cos(math.pi * min(fraction, 1.0))) / 2

    def problem(self, end: Position) -> str | None:
        """A sentence if the warm-up is as long as training, or longer."""
        if self.warmup < end.steps or self.warmup == 0:
            return None
        return (
            f"schedule.warmup is {self.warmup} steps, but training, or its cycle, has {end.steps}: lower it, or set it "
            "to 0 for no warm-up."
        )


@dataclass(frozen=True)
class Linear:
    """A linear ramp: start + (end - start)·min(done / over, 1), where done is completed epochs or steps.

    With unit ``epoch`` the value changes between epochs only: start 1, end 0 and over 10 are (10 - epoch) / 10, as in
    the fast.ai (2018) lesson. The value is ``end`` after ``over`` units; if ``over`` is None, no step has that value.
    """

    start: float  # the first step's value
    end: float  # the value from ``over`` units on
    over: float | None = None  # the length in units; None is all of training
    unit: str = "epoch"  # ``epoch`` or ``step``
    key: str = "over"  # the config key of ``over``, for messages

    def __call__(self, position: Position) -> float:
        """The value, between start and end."""
        done, length = self._measure(position)
        return _between(self.start, self.end, min(done / (self.over or length), 1.0))

    def problem(self, end: Position) -> str | None:
        """A sentence if the ramp is longer than training."""
        _, length = self._measure(end)
        if self.start == self.end or self.over is None or self.over <= length:
            return None
        return (
            f"{self.key} is {self.over:g} {self.unit}s, but training has {length}: "
            f"set it to at most {length}, or to null for all of training."
        )

    def _measure(self, position: Position) -> tuple[int, int]:
        by_epoch = self.unit == "epoch"
        return (position.epoch, position.epochs) if by_epoch else (position.step, position.steps)


@dataclass(frozen=True)
class Paced:
    """A curve with cycles shorter than training, or constant within each epoch, or both."""

    curve: Curve  # the curve of one cycle
    unit: str = "step"  # with ``epoch``, all steps of an epoch have the value of its first step
    cycle_epochs: float | None = None  # length of a cycle in epochs; None is one cycle for all of training
    key: str = "schedule.cycle_epochs"  # the config key of ``cycle_epochs``, for messages

    def __call__(self, position: Position) -> float:
        """The curve's value at the position in its cycle."""
        step = position.epoch * position.steps // position.epochs if self.unit == "epoch" else position.step
        length = self._length(position)
        return self.curve(replace(position, step=step if length == position.steps else step % length, steps=length))

    def problem(self, end: Position) -> str | None:
        """A sentence if the cycle is longer than training, or too short for its curve."""
        if self.cycle_epochs is None or self.cycle_epochs <= end.epochs:
            length = self._length(end)
            return (
                self.curve.problem(replace(end, step=length, steps=length)) if isinstance(self.curve, Bounded) else None
            )
        return (
            f"{self.key} is {self.cycle_epochs:g}, but training has {end.epochs} epochs (trainer.max_epochs): "
            f"set it to at most {end.epochs}, or to null for all of training."
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
"""The curves of the rate and the momentum for each name in ``RATE_SCHEDULES``."""


def build_schedules(
    options: ScheduleOptions, forcing: ForcingOptions | None, custom: Callable[[ScheduleOptions], Curve] | None = None
) -> dict[str, Curve]:
    """Builds the curves, by the name of the number that they schedule.

    Args:
        options: options of the rate and the momentum.
        forcing: options of the teacher forcing ratio; None for a model without it.
        custom: the user's own class, if ``options.name`` is its dotted path; its curve is a factor of each rate.

    Returns:
        ``lr``, a factor of each group's rate, except with ``plateau``, which depends on a metric; ``momentum``, an
        absolute value, only with ``one_cycle_annihilate``; ``teacher_forcing``, a ratio; and those of ``others``.
    """
    curves: dict[str, Curve] = {
        name: Linear(ramp.start, ramp.end, ramp.over, ramp.unit, f"schedule.others.{name}.over")
        for name, ramp in options.ramps().items()
    }
    rates = {"lr": custom(options)} if custom else CURVES[options.name](options)
    for name, curve in rates.items():
        curves[name] = Paced(curve, options.unit, options.cycle_epochs)
    if forcing is not None:
        key = "model.teacher_forcing.over"
        curves["teacher_forcing"] = Linear(forcing.start, forcing.end, forcing.over, forcing.unit, key)
    return curves


def _between(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction


def _triangle(progress: float, peak: float, end: float) -> float:
    if progress <= peak:
        return progress / peak
    return max(0.0, (end - progress) / (end - peak))
