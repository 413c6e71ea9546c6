"""The training plan: the numbers derived from a config, printed before the first step."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from typing_extensions import override

from seqvise.callbacks.hooks import callbacks_of
from seqvise.callbacks.schedule import Horizon, ScheduleCallback, has_momentum, horizon_of
from seqvise.schedules.curves import Position
from seqvise.tasks.samples import fields_of

BannerRow = tuple[str, str]
"""A name and its value."""


@dataclass(frozen=True)
class TrainingPlan:
    """The derived numbers of a training.

    Attributes:
        items: size of the training set, None if unknown.
        unit: unit of the items, such as sentences or images.
        batches: batches per epoch on each rank.
        accumulation: batches per optimizer step.
        world: number of ranks.
        tokens: target tokens per epoch, None if unknown.
        rate: the highest learning rate of all parameter groups.
        forcing: teacher forcing ratio of the first and of the last step, None without teacher forcing.
        precision: the precision of the model and, if it differs, of its output projection, with the reason.
        bytes: memory of parameters, gradients and optimizer state on each rank if replicated.
    """

    parameters: int
    trainable: int
    items: int | None
    unit: str
    batches: int
    accumulation: int
    world: int
    horizon: Horizon
    tokens: int | None
    rate: float
    forcing: tuple[float, float] | None
    precision: str
    device: str
    bytes: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch."""
        return math.ceil(self.batches / self.accumulation)

    @property
    def effective_batch(self) -> float | None:
        """Mean number of items per optimizer step, over all ranks."""
        return None if self.items is None else self.items / self.steps_per_epoch


def training_plan(trainer: pl.Trainer, task: pl.LightningModule, loader: object, optimizer: Optimizer) -> TrainingPlan:
    """Derives the plan, also before training has started, as for a dry run.

    Args:
        trainer: its limits, devices and callbacks are used.
        task: the module; its ``precision_note`` is used.
        loader: the training loader, with a length; the length and ``target_tokens`` of its dataset are optional.

    Raises:
        UserError: training has no end.
    """
    all_batches = len(loader) if isinstance(loader, Sized) else 0
    batches = _limited_batches(all_batches, trainer.limit_train_batches)
    horizon = horizon_of(batches, trainer.accumulate_grad_batches, trainer.max_epochs, trainer.max_steps)
    fraction = batches / all_batches if all_batches else 1.0
    parameters, trainable = _parameters(task)
    dataset = getattr(loader, "dataset", None)
    return TrainingPlan(
        parameters=parameters,
        trainable=trainable,
        items=_scaled(len(dataset) if isinstance(dataset, Sized) else None, fraction),
        unit=fields_of(task).unit,
        batches=batches,
        accumulation=trainer.accumulate_grad_batches,
        world=trainer.world_size,
        horizon=horizon,
        tokens=_scaled(getattr(dataset, "target_tokens", None), fraction),
        rate=max(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups),
        forcing=_forcing(trainer, horizon),
        precision=fields_of(task).precision_note or str(trainer.precision).replace("32-true", "fp32"),
        device=_device_name(trainer.strategy.root_device),
        bytes=_bytes(task, optimizer),
    )


def check_horizon(trainer: pl.Trainer, data: pl.LightningDataModule, checkpoint: Path) -> None:
    """Compares the training length of a checkpoint with that of the resumed training, before it starts.

    Args:
        trainer: its limits and its schedule are used.

    Raises:
        UserError: the lengths differ and ``schedule.extend`` is false, or the checkpoint has more steps.
    """
    saved = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    states, trained_steps = saved.get("callbacks", {}), int(saved.get("global_step", 0))
    data.trainer = trainer  # the batches are divided among its ranks
    loader = data.train_dataloader()
    batches = _limited_batches(len(loader), trainer.limit_train_batches)
    for callback in callbacks_of(trainer):
        if isinstance(callback, ScheduleCallback):
            callback.check_horizon(states.get(callback.state_key, {}), batches, trainer, trained_steps)


def banner(plan: TrainingPlan, before: Sequence[BannerRow] = (), after: Sequence[BannerRow] = ()) -> str:
    """The plan as text, one name and value per line, with further rows before and after it."""
    rows = [*before, *_rows(plan), *after]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


class Banner(pl.Callback):
    """Prints the plan to standard error before the first step."""

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            plan = training_plan(trainer, pl_module, trainer.train_dataloader, trainer.optimizers[0])
            print(banner(plan), file=sys.stderr, flush=True)


def _rows(plan: TrainingPlan) -> Iterator[BannerRow]:
    yield "parameters", f"{plan.parameters:,} ({plan.trainable:,} trained)"
    if plan.items is not None:
        yield plan.unit, f"{plan.items:,} per epoch"
    if plan.tokens is not None:
        yield "tokens", f"{plan.tokens:,} per epoch (target side)"
    yield "batches", f"{plan.batches:,} per epoch" + (f" on each of {plan.world} ranks" if plan.world > 1 else "")
    horizon = plan.horizon
    yield "steps", f"{plan.steps_per_epoch:,} per epoch, {horizon.steps:,} in {horizon.epochs} epochs"
    if plan.effective_batch is not None:
        parts = f" ({plan.accumulation} batches x {plan.world} ranks)" if plan.accumulation * plan.world > 1 else ""
        yield "effective batch", f"{plan.effective_batch:.4g} {plan.unit} per step on average{parts}"
    yield "peak rate", f"{plan.rate:g}"
    if plan.forcing is not None:
        yield "teacher forcing", "{:g} -> {:g}".format(*plan.forcing)
    yield "precision", plan.precision
    yield "device", plan.device
    yield "memory", f"{plan.bytes / 2**20:,.0f} MiB for parameters, gradients and optimizer state, without activations"


def _limited_batches(batches: int, limit: float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _scaled(count: int | None, fraction: float) -> int | None:
    return None if count is None else round(count * fraction)


def _parameters(task: torch.nn.Module) -> tuple[int, int]:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in task.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def _bytes(task: torch.nn.Module, optimizer: Optimizer) -> int:
    copies = 2 if "betas" in optimizer.defaults else int(has_momentum(optimizer))
    return sum(
        parameter.numel() * parameter.element_size() * (2 + copies if parameter.requires_grad else 1)
        for parameter in task.parameters()
    )


def _forcing(trainer: pl.Trainer, horizon: Horizon) -> tuple[float, float] | None:
    schedules: dict[str, Any] = {}
    for callback in callbacks_of(trainer):
        if isinstance(callback, ScheduleCallback):
            schedules.update(callback.schedules)
    if "teacher_forcing" not in schedules:
        return None
    ends = ((0, 0), (horizon.steps - 1, horizon.epochs - 1))
    positions = (Position(step, horizon.steps, epoch, horizon.epochs) for step, epoch in ends)
    return cast(tuple[float, float], tuple(schedules["teacher_forcing"](position) for position in positions))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)
