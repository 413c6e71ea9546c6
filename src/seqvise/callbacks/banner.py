"""The numbers that follow from a config, told before the first step."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from typing_extensions import override

from seqvise.callbacks.hooks import callbacks_of, unit_of
from seqvise.callbacks.schedule import Horizon, ScheduleCallback, has_momentum, horizon_of
from seqvise.schedules.curves import Position


@dataclass(frozen=True)
class Plan:
    """What a training will be.

    Attributes:
        parameters: numbers in the model.
        trainable: those that are trained.
        items: in the training part, None where the loader does not know.
        unit: what the items are, sentences or images.
        batches: of an epoch on each rank.
        accumulation: batches an optimizer step.
        world: ranks.
        horizon: optimizer steps and epochs.
        tokens: target tokens an epoch, None where unknown.
        rate: the highest learning rate of a group.
        forcing: teacher forcing ratio of the first and of the last step, None without.
        precision: the precision and why.
        device: where training runs.
        bytes: parameters, gradients and optimizer state on each rank, replicated.
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
    def steps_an_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return math.ceil(self.batches / self.accumulation)

    @property
    def effective_batch(self) -> float | None:
        """Mean items an optimizer step, over all ranks."""
        return None if self.items is None else self.items / self.steps_an_epoch


def survey(trainer: pl.Trainer, task: pl.LightningModule, loader: object, optimizer: Optimizer) -> Plan:
    """Derives the plan; training need not have begun, so a dry run may ask.

    Args:
        trainer: its limits, devices and callbacks are read.
        task: the module; its ``precision_note`` is quoted.
        loader: the training loader, with a length; its dataset's length and ``target_tokens`` are told, if it has them.
        optimizer: as the task configured it.

    Raises:
        UserError: training has no end.
    """
    whole = len(loader) if isinstance(loader, Sized) else 0
    batches = _limited(whole, trainer.limit_train_batches)
    horizon = horizon_of(batches, trainer.accumulate_grad_batches, trainer.max_epochs, trainer.max_steps)
    share = batches / whole if whole else 1.0
    parameters, trainable = _parameters(task)
    dataset = getattr(loader, "dataset", None)
    return Plan(
        parameters=parameters,
        trainable=trainable,
        items=_share(len(dataset) if isinstance(dataset, Sized) else None, share),
        unit=unit_of(task),
        batches=batches,
        accumulation=trainer.accumulate_grad_batches,
        world=trainer.world_size,
        horizon=horizon,
        tokens=_share(getattr(dataset, "target_tokens", None), share),
        rate=max(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups),
        forcing=_forcing(trainer, horizon),
        precision=getattr(task, "precision_note", str(trainer.precision)),
        device=_device_name(trainer.strategy.root_device),
        bytes=_bytes(task, optimizer),
    )


def refuse_other_horizon(trainer: pl.Trainer, data: pl.LightningDataModule, checkpoint: Path) -> None:
    """Compares the length of a training that would be resumed with that of its checkpoint, before it begins.

    Args:
        trainer: its limits and its schedule are read.
        data: the batches.
        checkpoint: the file.

    Raises:
        UserError: they differ, and ``schedule.extend`` is false; or more steps are trained than there would be.
    """
    saved = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    states, done = saved.get("callbacks", {}), int(saved.get("global_step", 0))
    data.trainer = trainer  # among whose ranks the batches are divided
    loader = data.train_dataloader()
    batches = _limited(len(loader), trainer.limit_train_batches)
    for callback in callbacks_of(trainer):
        if isinstance(callback, ScheduleCallback):
            callback.refuse_other_horizon(states.get(callback.state_key, {}), batches, trainer, done)


def banner(plan: Plan) -> str:
    """The plan as lines of a name and what it is."""
    rows = list(_rows(plan))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


class Banner(pl.Callback):
    """Prints the plan to standard error before the first step."""

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Surveys and prints, on the first rank only."""
        if trainer.is_global_zero:
            plan = survey(trainer, pl_module, trainer.train_dataloader, trainer.optimizers[0])
            print(banner(plan), file=sys.stderr, flush=True)


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "parameters", f"{plan.parameters:,} ({plan.trainable:,} trained)"
    if plan.items is not None:
        yield plan.unit, f"{plan.items:,} an epoch"
    if plan.tokens is not None:
        yield "tokens", f"{plan.tokens:,} an epoch (target side)"
    yield "batches", f"{plan.batches:,} an epoch" + (f" on each of {plan.world} ranks" if plan.world > 1 else "")
    horizon = plan.horizon
    yield "steps", f"{plan.steps_an_epoch:,} an epoch, {horizon.steps:,} in {horizon.epochs} epochs"
    if plan.effective_batch is not None:
        parts = f" ({plan.accumulation} batches x {plan.world} ranks)" if plan.accumulation * plan.world > 1 else ""
        yield "effective batch", f"{plan.effective_batch:.4g} {plan.unit} a step on average{parts}"
    yield "peak rate", f"{plan.rate:g}"
    if plan.forcing is not None:
        yield "teacher forcing", "{:g} -> {:g}".format(*plan.forcing)
    yield "precision", plan.precision
    yield "device", plan.device
    yield "memory", f"{plan.bytes / 2**20:,.0f} MiB of parameters, gradients and optimizer state, activations apart"


def _limited(batches: int, limit: float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _share(count: int | None, share: float) -> int | None:
    return None if count is None else round(count * share)


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
    places = (Position(step, horizon.steps, epoch, horizon.epochs) for step, epoch in ends)
    return cast(tuple[float, float], tuple(schedules["teacher_forcing"](place) for place in places))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)
