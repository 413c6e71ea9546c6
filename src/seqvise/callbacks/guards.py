"""Callbacks that stop a run with a non-finite loss or a monitored metric that is never logged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.hooks import ValidationCallback, batch_loss, is_logged
from seqvise.errors import UserError

MAX_LISTED_ROWS = 8


class NonFiniteLossError(RuntimeError):
    """The training loss became NaN or infinite."""


@dataclass(frozen=True)
class _Step:
    epoch: int
    batch: int
    rows: Tensor | None
    loss: Tensor


class FiniteLoss(pl.Callback):
    """Stops training at a NaN or infinite loss, reports the batch, and prevents later checkpoints.

    On CPU every step is checked. On other devices that would synchronise at each step, so losses are checked together
    when metrics are logged, at the end of an epoch and before a checkpoint is saved.

    Raises:
        NonFiniteLossError: with epoch, batch and the rows of the training set in the batch (its ``rows``).
    """

    def __init__(self) -> None:
        self._unchecked: list[_Step] = []

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stores the loss of the step; checks all stored losses where that is cheap."""
        loss = batch_loss(trainer, outputs)
        self._unchecked.append(_Step(trainer.current_epoch, batch_idx, getattr(batch, "rows", None), loss))
        if loss.device.type == "cpu" or is_logged(trainer, trainer.global_step):
            self._check(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._check(trainer)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._check(trainer)

    def _check(self, trainer: pl.Trainer) -> None:
        if not self._unchecked:
            return
        finite = torch.isfinite(torch.stack([step.loss for step in self._unchecked])).tolist()
        if not all(finite):
            raise NonFiniteLossError(_message(self._unchecked[finite.index(False)], trainer))
        self._unchecked.clear()


class MonitorIsLogged(ValidationCallback):
    """Raises an error after the first validation if it did not log the monitored metric."""

    def __init__(self, metric: str) -> None:
        self._metric = metric

    @override
    def after_validation(self, trainer: pl.Trainer) -> None:
        if self._metric not in trainer.callback_metrics:
            names = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise UserError(
                f"monitor.metric is '{self._metric}', which is never logged. Set it to one that is: {names}."
            )


def _message(step: _Step, trainer: pl.Trainer) -> str:
    rows = "" if step.rows is None else f" (rows {_row_list(step.rows.tolist())} of the training part)"
    return (
        f"The training loss became {step.loss.item()} in epoch {step.epoch + 1}, batch {step.batch}{rows}. "
        f"{_last_checkpoint_note(trainer)} Try a lower optimizer.lr or trainer.gradient_clip_val=1."
    )


def _row_list(rows: list[int]) -> str:
    listed = ", ".join(str(row) for row in rows[:MAX_LISTED_ROWS])
    return listed if len(rows) <= MAX_LISTED_ROWS else f"{listed} and {len(rows) - MAX_LISTED_ROWS} more"


def _last_checkpoint_note(trainer: pl.Trainer) -> str:
    checkpoints = trainer.checkpoint_callback
    paths = (getattr(checkpoints, name, "") for name in ("last_model_path", "best_model_path"))
    existing = next((path for path in paths if path and Path(path).exists()), None)
    return f"The last good checkpoint is kept: {existing}." if existing else "No checkpoint had been written yet."
