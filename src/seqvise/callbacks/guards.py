"""Callbacks that stop a run which cannot end well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.hooks import batch_loss, is_fit_validation, is_logged
from seqvise.errors import UserError

ROWS_NAMED = 8


class NonFiniteLossError(RuntimeError):
    """The training loss became NaN or infinite."""


@dataclass(frozen=True)
class _Step:
    epoch: int
    batch: int
    rows: Tensor | None
    loss: Tensor


class FiniteLoss(pl.Callback):
    """Stops training at a NaN or infinite loss, names the batch, and lets no checkpoint be written after it.

    On a CPU every step is looked at. Elsewhere that would wait for the device at each step, so losses are looked at
    together when metrics are logged, at the end of an epoch and before a checkpoint is saved.

    Raises:
        NonFiniteLossError: with epoch, batch and the rows of the batch (its ``rows``) in the training part.
    """

    def __init__(self) -> None:
        self._unseen: list[_Step] = []

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remembers the step's loss, and looks where looking is cheap."""
        loss = batch_loss(trainer, outputs)
        self._unseen.append(_Step(trainer.current_epoch, batch_idx, getattr(batch, "rows", None), loss))
        if loss.device.type == "cpu" or is_logged(trainer, trainer.global_step):
            self._look(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Looks at what is left of the epoch."""
        self._look(trainer)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Looks before the checkpoint is written."""
        self._look(trainer)

    def _look(self, trainer: pl.Trainer) -> None:
        if not self._unseen:
            return
        finite = torch.isfinite(torch.stack([step.loss for step in self._unseen])).tolist()
        if not all(finite):
            raise NonFiniteLossError(_sentence(self._unseen[finite.index(False)], trainer))
        self._unseen.clear()


class MonitorIsLogged(pl.Callback):
    """Refuses a monitored metric that no validation logs, at the end of the first one.

    Args:
        metric: ``monitor.metric``.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Looks for the metric among those logged."""
        if is_fit_validation(trainer):
            self._look(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The same for a training without validation."""
        if not trainer.enable_validation:
            self._look(trainer)

    def _look(self, trainer: pl.Trainer) -> None:
        if self._metric not in trainer.callback_metrics:
            names = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise UserError(
                f"monitor.metric is '{self._metric}', which is never logged. Set it to one that is: {names}."
            )


def _sentence(step: _Step, trainer: pl.Trainer) -> str:
    rows = "" if step.rows is None else f" (rows {_names(step.rows.tolist())} of the training part)"
    return (
        f"The training loss became {step.loss.item()} in epoch {step.epoch}, batch {step.batch}{rows}. "
        f"{_kept(trainer)} Try a lower optimizer.lr or trainer.gradient_clip_val=1."
    )


def _names(rows: list[int]) -> str:
    named = ", ".join(str(row) for row in rows[:ROWS_NAMED])
    return named if len(rows) <= ROWS_NAMED else f"{named} and {len(rows) - ROWS_NAMED} more"


def _kept(trainer: pl.Trainer) -> str:
    saver = trainer.checkpoint_callback
    paths = (getattr(saver, name, "") for name in ("last_model_path", "best_model_path"))
    kept = next((path for path in paths if path and Path(path).exists()), None)
    return f"The last good checkpoint is kept: {kept}." if kept else "No checkpoint had been written yet."
