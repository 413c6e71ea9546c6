"""The metrics of each validation as lines of text, for whoever looks on."""

from __future__ import annotations

import json
from pathlib import Path

import pytorch_lightning as pl
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation


class ProgressFile(pl.Callback):
    """Adds a line to a file after each validation: ``{"epoch": 0, "step": 250, "val/loss": 3.1, ...}``.

    Without a validation, after each epoch. A step may come twice where a run goes on behind a kill.

    Args:
        file: made at the first line, with its folder.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes what is known after a validation of training."""
        if is_fit_validation(trainer):
            self._write(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The same for a training without validation."""
        if not trainer.enable_validation:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            line = {"epoch": trainer.current_epoch, "step": trainer.global_step, **metrics}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
