"""The one callback that moves numbers during training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import GradientAccumulationScheduler, StochasticWeightAveraging
from torch.optim import Optimizer
from typing_extensions import override

from seqvise.callbacks.hooks import callbacks_of
from seqvise.errors import UserError
from seqvise.schedules.curves import Bounded, Curve, Position


@dataclass(frozen=True)
class Horizon:
    """The length of training, which every schedule is stretched over.

    Attributes:
        steps: optimizer steps, gradient accumulation and the short last step of an epoch counted.
        epochs: epochs begun.
    """

    steps: int
    epochs: int


def horizon_of(
    batches: float, accumulation: int, max_epochs: int | None, max_steps: int, steps: int | None = None
) -> Horizon:
    """The length of training that a trainer's limits give.

    Args:
        batches: of an epoch, on each rank.
        accumulation: batches an optimizer step; the last step of an epoch may have fewer.
        max_epochs: None or below 1 sets no limit.
        max_steps: below 1 sets no limit.
        steps: optimizer steps where they are to be other than the limits give.

    Raises:
        UserError: training has no end, or an epoch has none.
    """
    if not math.isfinite(batches):
        raise UserError(
            "The training data has no length, so the schedule cannot know where it is: "
            "set trainer.limit_train_batches to the batches of an epoch."
        )
    an_epoch = max(1, math.ceil(batches / accumulation))
    limits = [max_steps] if max_steps > 0 else []
    if max_epochs is not None and max_epochs > 0:
        limits.append(max_epochs * an_epoch)
    if steps is None and not limits:
        raise UserError(
            f"trainer.max_epochs is {max_epochs} and trainer.max_steps is {max_steps}, but a schedule "
            "needs an end of training: set one of them above 0."
        )
    total = steps or min(limits)
    return Horizon(total, math.ceil(total / an_epoch))


class ScheduleCallback(pl.Callback):
    """Applies schedules before each batch and logs what it applied as ``schedule/<name>``.

    ``lr`` multiplies the rate each parameter group was configured with (its ``initial_lr``); ``momentum`` replaces
    Adam's first beta or SGD's momentum; any other name is written into the module's ``scheduled``. Everything follows
    from the trainer's own counters, so a resumed run goes on where it was. Kept is only the horizon of the first start.

    Args:
        schedules: a curve for each number.
        horizon: optimizer steps of the whole training; None finds them from the trainer's limits.
        extend: a resumed run may have another horizon than the one it began with.

    Raises:
        UserError: at the start of training, for whatever the schedules and this training cannot have together.

    Example::

        trainer = pl.Trainer(max_epochs=12, callbacks=[ScheduleCallback({"lr": OneCycle(20, 10)})])
    """

    def __init__(self, schedules: Mapping[str, Curve], horizon: int | None = None, extend: bool = False) -> None:
        if horizon is not None and horizon < 1:
            raise ValueError(f"A horizon is at least 1 optimizer step. Got {horizon}.")
        self.schedules = dict(schedules)
        self.extend = extend
        self.horizon: Horizon | None = None
        self._steps = horizon
        self._restored: Horizon | None = None

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps each group's configured rate, before a checkpoint brings a scheduled one."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finds the horizon and refuses, all at once, what cannot be served."""
        horizon = self._horizon_of(trainer, trainer.num_training_batches)
        problems = [*self._misfits(trainer, pl_module), *self._changes(horizon)]
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # a run of one batch tries the parts, not the length
            problems += self._overruns(horizon)
        if problems:
            raise UserError(*problems)
        self.horizon, self._restored = horizon, None

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Applies every schedule at the position the trainer's counters give."""
        position = self.position(trainer)
        for name, curve in self.schedules.items():
            applied = self._apply(name, curve(position), trainer, pl_module)
            pl_module.log(f"schedule/{name}", applied)

    def refuse_other_horizon(self, state: dict[str, Any], batches: float, trainer: pl.Trainer, done: int) -> None:
        """Raises UserError if the trainer's horizon is not that of a checkpoint, before training starts.

        Args:
            state: this callback's in the checkpoint.
            batches: of an epoch, on each rank.
            trainer: its limits are read.
            done: optimizer steps of the checkpoint.
        """
        self.load_state_dict(state)
        horizon = self._horizon_of(trainer, batches)
        if problems := [*self._ended(horizon, done), *self._changes(horizon)]:
            raise UserError(*problems)

    def position(self, trainer: pl.Trainer) -> Position:
        """Where training is. Defined from ``on_train_start`` on."""
        if self.horizon is None:
            raise RuntimeError("A schedule has no position before training starts.")
        return Position(trainer.global_step, self.horizon.steps, trainer.current_epoch, self.horizon.epochs)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The horizon, or nothing before the first start."""
        return asdict(self.horizon) if self.horizon else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keeps the checkpoint's horizon until training starts and can be compared with it."""
        if state_dict:
            self._restored = Horizon(steps=state_dict["steps"], epochs=state_dict["epochs"])

    def _apply(self, name: str, value: float, trainer: pl.Trainer, pl_module: pl.LightningModule) -> float:
        if name == "lr":
            return scale_rates(trainer.optimizers[0], value)
        if name == "momentum":
            set_momentum(trainer.optimizers[0], value)
        else:
            scheduled_numbers(pl_module)[name] = value
        return value

    def _horizon_of(self, trainer: pl.Trainer, batches: float) -> Horizon:
        limits = (trainer.max_epochs, trainer.max_steps)
        return horizon_of(batches, trainer.accumulate_grad_batches, *limits, self._steps)

    def _misfits(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Iterator[str]:
        names = self.schedules.keys()
        if "lr" in names and any(isinstance(item, StochasticWeightAveraging) for item in callbacks_of(trainer)):
            yield (
                "You have a rate schedule and StochasticWeightAveraging, which sets rates of its own. Remove it from "
                "callbacks.extra and set callbacks.average=swa, which averages and leaves the rates alone."
            )
        if any(isinstance(callback, GradientAccumulationScheduler) for callback in callbacks_of(trainer)):
            yield (
                "You have a GradientAccumulationScheduler and a schedule, which then cannot know the length of "
                "training. Remove it from callbacks.extra and set trainer.accumulate_grad_batches."
            )
        if len(trainer.optimizers) != 1:
            yield f"Schedules drive one optimizer, but the task has {len(trainer.optimizers)}."
        elif "momentum" in names and not has_momentum(trainer.optimizers[0]):
            yield (
                f"The schedule moves the momentum, but {type(trainer.optimizers[0]).__name__} runs without: choose "
                "optimizer=adam, set optimizer.momentum above 0, or choose schedule=one_cycle."
            )
        if "lr" in names and trainer.lr_scheduler_configs:
            yield (
                "You have a rate schedule and the task's own learning rate scheduler. "
                "Choose schedule=plateau, or remove the scheduler from configure_optimizers."
            )
        others = sorted(names - {"lr", "momentum"})
        if others and not hasattr(pl_module, "scheduled"):
            yield (
                f"{type(pl_module).__name__} has no `scheduled` dict to receive {', '.join(others)}: "
                "set `self.scheduled` in its constructor, or remove the schedule."
            )
        elif unknown := [name for name in others if name not in scheduled_numbers(pl_module)]:
            yield (
                f"{type(pl_module).__name__} has no number called {', '.join(unknown)} to be scheduled; it has: "
                f"{', '.join(sorted(scheduled_numbers(pl_module))) or 'none'}."
            )

    def _overruns(self, horizon: Horizon) -> Iterator[str]:
        end = Position(horizon.steps, horizon.steps, horizon.epochs, horizon.epochs)
        for curve in self.schedules.values():
            if isinstance(curve, Bounded) and (problem := curve.problem(end)):
                yield problem

    def _ended(self, horizon: Horizon, done: int) -> Iterator[str]:
        # Without a change of length the steps may exceed the horizon a little: batches by words differ among epochs.
        if self._restored not in (None, horizon) and done > horizon.steps:
            yield (
                f"The run has trained {done} steps, but would end after {horizon.steps} ({horizon.epochs} epochs): set "
                "trainer.max_epochs or trainer.max_steps higher, or start a new run."
            )

    def _changes(self, horizon: Horizon) -> Iterator[str]:
        before = self._restored
        if before is not None and before != horizon and not self.extend:
            yield (
                f"The run began with a schedule over {before.steps} steps ({before.epochs} epochs), but would go on "
                f"with {horizon.steps} steps ({horizon.epochs} epochs): give it the data, devices and "
                "trainer.max_epochs it began with, or set schedule.extend=true."
            )


def scale_rates(optimizer: Optimizer, factor: float) -> float:
    """Sets each group's rate to the factor times its ``initial_lr``; returns the highest rate set."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["initial_lr"]
    return max(float(group["lr"]) for group in optimizer.param_groups)


def has_momentum(optimizer: Optimizer) -> bool:
    """Whether the optimizer averages gradients: Adam and its kin, or SGD with a momentum above 0."""
    return "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0


def set_momentum(optimizer: Optimizer, momentum: float) -> None:
    """Sets Adam's first beta, or SGD's momentum, in every group."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def scheduled_numbers(pl_module: pl.LightningModule) -> dict[str, float]:
    """The task's dict of scheduled numbers other than rate and momentum, written here and read by the task."""
    return cast(dict[str, float], pl_module.scheduled)
