"""Resumes training exactly at the step at which a checkpoint was written."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from seqvise.tasks.distributed_means import stack_processes

BATCHES, EPOCHS = "epoch_loop.batch_progress", "epoch_progress"
MONITORED, STOPPING, GRADIENTS = "monitored", "stopping", "gradients"
STAGES = ("ready", "started", "processed", "completed")


class ExactResume(pl.Callback):
    """Normalises the counters of Lightning's loops to one of two states: within an epoch, or between two epochs.

    In Lightning, the counters depend on the hook that writes the checkpoint. From some hooks, a resumed run skips an
    epoch, a validation, or the step of a scheduler that monitors a metric. Checkpoints of this project are written
    after a step without a following validation, or after a validation; only these two cases have to be distinguished.
    A validation within an accumulated optimizer step leaves gradients, so the checkpoint stores them for all processes.

    Args:
        metric: the metric that a scheduler monitors.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._between = False
        self._value: float | None = None
        self._stopping = False
        self._gradients: dict[str, Tensor] = {}

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit":
            return
        self._value, self._stopping = checkpoint.get(MONITORED), checkpoint.get(STOPPING, False)
        self._gradients = checkpoint.get(GRADIENTS, {})
        loops = checkpoint["loops"]["fit_loop"]
        self._between = bool(loops[BATCHES]["is_last_batch"])
        (between_epochs if self._between else within_epoch)(loops)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores gradients; after an epoch, starts the next one and makes a scheduler step that is still due."""
        trainer.should_stop = trainer.should_stop or self._stopping
        for name, parameter in pl_module.named_parameters():
            if name in self._gradients:
                parameter.grad = self._gradients[name][trainer.global_rank].to(parameter)
        self._gradients = {}
        if not self._between:
            return
        # Not `fit_loop.restarting`: with `trainer.max_steps`, Lightning treats any assignment to it as True.
        trainer.fit_loop.epoch_loop.restarting = False
        for config in trainer.lr_scheduler_configs:
            due = trainer.current_epoch % config.frequency == 0
            if config.reduce_on_plateau and due and self._value is not None:
                config.scheduler.step(self._value)  # type: ignore[arg-type]
        self._between = False

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Makes schedulers step at the end of the first epoch, too."""
        trainer.fit_loop.on_iteration_done()  # as Lightning does after that step

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Stores the scheduler's metric, gradients, and a stop request that waits for `trainer.min_epochs`."""
        checkpoint[STOPPING] = trainer.should_stop and not trainer.fit_loop._can_stop_early
        value = trainer.callback_metrics.get(self._metric)
        checkpoint[MONITORED] = None if value is None else float(value)
        if trainer.fit_loop._should_accumulate():
            checkpoint[GRADIENTS] = gradients_of(pl_module)


def gradients_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """The gradients of all processes by parameter name, (processes, ...)."""
    gradients = ((name, parameter.grad) for name, parameter in module.named_parameters())
    return {name: stack_processes(gradient) for name, gradient in gradients if gradient is not None}


def between_epochs(loops: dict[str, Any]) -> None:
    """Sets the counters of the fit loop, in place: all started epochs are complete, no other has started."""
    for span in ("total", "current"):
        epochs = loops[EPOCHS][span]
        loops[EPOCHS][span] = dict.fromkeys(epochs, epochs["started"])
    _set(loops[BATCHES]["total"], loops[BATCHES]["total"]["processed"])
    _set(loops[BATCHES]["current"], 0)
    loops[BATCHES]["is_last_batch"] = False


def within_epoch(loops: dict[str, Any]) -> None:
    """Sets the counters of the fit loop, in place, as after the step of a batch and before its last hooks."""
    for span in ("total", "current"):
        epochs, batches = loops[EPOCHS][span], loops[BATCHES][span]
        epochs.update(processed=epochs["started"] - 1, completed=epochs["started"] - 1)
        batches["completed"] = batches["processed"] - 1


def _set(counters: dict[str, int], value: int) -> None:
    for stage in STAGES:
        counters[stage] = value
