"""The callback that applies schedules: learning rate, momentum, teacher forcing and others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import GradientAccumulationScheduler, StochasticWeightAveraging
from torch.optim import Optimizer
from typing_extensions import override

from seqvise.callbacks.hooks import callbacks_of
from seqvise.errors import UserError
from seqvise.schedules.curves import Bounded, Curve, Position
from seqvise.tasks.samples import fields_of


@dataclass(frozen=True)
class Horizon:
    """The length of training, over which every schedule extends.

    Attributes:
        steps: optimizer steps, taking into account gradient accumulation and the shorter last step of an epoch.
        epochs: started epochs.
    """

    steps: int
    epochs: int


def horizon_of(
    batches: float, accumulation: int, max_epochs: int | None, max_steps: int, steps: int | None = None
) -> Horizon:
    """Computes the length of training from a trainer's limits.

    Args:
        batches: batches per epoch on each rank.
        accumulation: batches per optimizer step; the last step of an epoch may have fewer.
        max_epochs: None or below 1 for no limit.
        max_steps: below 1 for no limit.
        steps: optimizer steps, which override the limits.

    Raises:
        UserError: training or an epoch has no limit.
    """
    if not math.isfinite(batches):
        raise UserError(
            "The training data has no length, but a schedule needs it: "
            "set trainer.limit_train_batches to the number of batches per epoch."
        )
    steps_per_epoch = max(1, math.ceil(batches / accumulation))
    limits = [max_steps] if max_steps > 0 else []
    if max_epochs is not None and max_epochs > 0:
        limits.append(max_epochs * steps_per_epoch)
    if steps is None and not limits:
        raise UserError(
            f"trainer.max_epochs is {max_epochs} and trainer.max_steps is {max_steps}, but a schedule "
            "needs an end of training: set one of them above 0."
        )
    total = steps or min(limits)
    return Horizon(total, math.ceil(total / steps_per_epoch))


class ScheduleCallback(pl.Callback):
    """Applies schedules before each batch and logs the values as ``train/<name>``.

    ``lr`` multiplies the configured rate of each parameter group (its ``initial_lr``); ``momentum`` replaces Adam's
    first beta or SGD's momentum; any other name is written into the module's ``scheduled``. Values depend only on the
    trainer's counters, so a resumed run continues exactly. The state is only the horizon of the first start.

    Args:
        schedules: one curve per scheduled number.
        horizon: optimizer steps of the whole training; None derives them from the trainer's limits.
        extend: allow a resumed run to have another horizon than at its start.

    Raises:
        UserError: at the start of training, for all conflicts between the schedules and the training.

    Example::

        trainer = pl.Trainer(max_epochs=12, callbacks=[ScheduleCallback({"lr": OneCycle(20, 10)})])
    """

    def __init__(self, schedules: Mapping[str, Curve], horizon: int | None = None, extend: bool = False) -> None:
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon is {horizon}, but must be at least 1 optimizer step.")
        self.schedules = dict(schedules)
        self.extend = extend
        self.horizon: Horizon | None = None
        self._steps = horizon
        self._restored: Horizon | None = None

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stores the configured rate of each group, before a checkpoint restores a scheduled one."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Computes the horizon and reports all conflicts at once."""
        horizon = self._horizon_of(trainer, trainer.num_training_batches)
        messages = [*self._conflicts(trainer, pl_module), *self._horizon_changes(horizon)]
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # a run of one batch does not test the length
            messages += self.overruns(horizon)
        if messages:
            raise UserError(*messages)
        self.horizon, self._restored = horizon, None

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        position = self.position(trainer)
        for name, curve in self.schedules.items():
            applied = self._apply(name, curve(position), trainer, pl_module)
            pl_module.log(f"train/{name}", applied)

    def check_horizon(self, state: dict[str, Any], batches: float, trainer: pl.Trainer, trained_steps: int) -> None:
        """Raises UserError if the horizon of the trainer differs from that of a checkpoint, before training starts.

        Args:
            state: the state of this callback in the checkpoint.
            batches: batches per epoch on each rank.
            trainer: its limits are used.
        """
        self.load_state_dict(state)
        horizon = self._horizon_of(trainer, batches)
        if messages := [*self._already_trained(horizon, trained_steps), *self._horizon_changes(horizon)]:
            raise UserError(*messages)

    def position(self, trainer: pl.Trainer) -> Position:
        """The current position in training. Available from ``on_train_start`` on."""
        if self.horizon is None:
            raise RuntimeError("A schedule has no position before training starts.")
        return Position(trainer.global_step, self.horizon.steps, trainer.current_epoch, self.horizon.epochs)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The horizon; empty before training starts."""
        return asdict(self.horizon) if self.horizon else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Stores the horizon of the checkpoint for the comparison at the start of training."""
        if state_dict:
            self._restored = Horizon(steps=state_dict["steps"], epochs=state_dict["epochs"])

    def overruns(self, horizon: Horizon) -> Iterator[str]:
        """A sentence for each schedule that does not fit into training, e.g. a warm-up longer than training."""
        end = Position(horizon.steps, horizon.steps, horizon.epochs, horizon.epochs)
        for curve in self.schedules.values():
            if isinstance(curve, Bounded) and (message := curve.problem(end)):
                yield message

    def _apply(self, name: str, value: float, trainer: pl.Trainer, pl_module: pl.LightningModule) -> float:
        if name == "lr":
            return scale_rates(trainer.optimizers[0], value)
        if name == "momentum":
            set_momentum(trainer.optimizers[0], value)
        else:
            numbers = fields_of(pl_module).scheduled
            assert numbers is not None, "checked at the start of training"
            numbers[name] = value
        return value

    def _horizon_of(self, trainer: pl.Trainer, batches: float) -> Horizon:
        limits = (trainer.max_epochs, trainer.max_steps)
        return horizon_of(batches, trainer.accumulate_grad_batches, *limits, self._steps)

    def _conflicts(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Iterator[str]:
        names = self.schedules.keys()
        if "lr" in names and any(isinstance(item, StochasticWeightAveraging) for item in callbacks_of(trainer)):
            yield (
                "You have a rate schedule and StochasticWeightAveraging, which sets rates of its own. Remove it from "
                "callbacks.extra and set callbacks.average=swa, which averages without changing the rates."
            )
        if any(isinstance(callback, GradientAccumulationScheduler) for callback in callbacks_of(trainer)):
            yield (
                "You have a schedule and a GradientAccumulationScheduler, which makes the length of training unknown. "
                "Remove it from callbacks.extra and set trainer.accumulate_grad_batches."
            )
        if len(trainer.optimizers) != 1:
            yield f"Schedules support one optimizer, but the task has {len(trainer.optimizers)}."
        elif "momentum" in names and not has_momentum(trainer.optimizers[0]):
            yield (
                f"The schedule changes the momentum, but {type(trainer.optimizers[0]).__name__} has none: choose "
                "optimizer=adam, set optimizer.momentum above 0, or choose schedule=one_cycle."
            )
        if "lr" in names and trainer.lr_scheduler_configs:
            yield (
                "You have a rate schedule and the task's own learning rate scheduler. "
                "Choose schedule=plateau, or remove the scheduler from configure_optimizers."
            )
        others = sorted(names - {"lr", "momentum"})
        numbers = fields_of(pl_module).scheduled
        if others and numbers is None:
            yield (
                f"{type(pl_module).__name__} has no `scheduled` dict for {', '.join(others)}: "
                "set `self.scheduled` in its constructor, or remove the schedule."
            )
        elif unknown := [name for name in others if name not in (numbers or ())]:
            yield (
                f"{type(pl_module).__name__} has no scheduled number {', '.join(unknown)}; it has: "
                f"{', '.join(sorted(numbers or ())) or 'none'}."
            )

    def _already_trained(self, horizon: Horizon, trained_steps: int) -> Iterator[str]:
        # With the same length, steps can slightly exceed the horizon: the number of batches by tokens varies per epoch.
        if self._restored not in (None, horizon) and trained_steps > horizon.steps:
            yield (
                f"The run has trained {trained_steps} steps, but would end after {horizon.steps} "
                f"({horizon.epochs} epochs): set trainer.max_epochs or trainer.max_steps higher, or start a new run."
            )

    def _horizon_changes(self, horizon: Horizon) -> Iterator[str]:
        original = self._restored
        if original is not None and original != horizon and not self.extend:
            yield (
                f"The run started with a schedule over {original.steps} steps ({original.epochs} epochs), but would "
                f"continue with {horizon.steps} steps ({horizon.epochs} epochs): use the data, devices and "
                "trainer.max_epochs of its start, or set schedule.extend=true."
            )


def scale_rates(optimizer: Optimizer, factor: float) -> float:
    """Sets the rate of each group to ``factor`` times its ``initial_lr``; returns the highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["initial_lr"]
    return max(float(group["lr"]) for group in optimizer.param_groups)


def has_momentum(optimizer: Optimizer) -> bool:
    """Whether the optimizer has momentum: Adam and its variants, or SGD with a momentum above 0."""
    return "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0


def set_momentum(optimizer: Optimizer, momentum: float) -> None:
    """Sets Adam's first beta, or SGD's momentum, in every group."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum
