"""Training goes on from a checkpoint exactly where it was written."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

BATCHES, EPOCHS = "epoch_loop.batch_progress", "epoch_progress"
MONITORED = "monitored"
STAGES = ("ready", "started", "processed", "completed")


class ExactResume(pl.Callback):
    """Brings the counters of Lightning's loops into one of two forms: within an epoch, or between two.

    Lightning has a form for each hook in which a checkpoint can be written. From some of them it leaves out an epoch,
    or a validation, or the step of a scheduler that looks at a metric. Checkpoints of ours are written behind a step
    that no validation follows, or behind a validation, which is all that has to be told apart.

    Args:
        metric: what a scheduler looks at.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._between = False
        self._value: float | None = None

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Rewrites the counters before Lightning reads them."""
        if trainer.state.fn != "fit":
            return
        self._value = checkpoint.get(MONITORED)
        loops = checkpoint["loops"]["fit_loop"]
        self._between = bool(loops[BATCHES]["is_last_batch"])
        (between_epochs if self._between else within_epoch)(loops)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins an epoch as any other; makes the step of a scheduler that the checkpoint did not wait for."""
        if not self._between:
            return
        trainer.fit_loop.restarting = False
        for config in trainer.lr_scheduler_configs:
            due = trainer.current_epoch % config.frequency == 0
            if config.reduce_on_plateau and due and self._value is not None:
                config.scheduler.step(self._value)  # type: ignore[arg-type]
        self._between = False

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lets a scheduler make its step at the end of the first epoch, too."""
        trainer.fit_loop.restarting = False

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keeps what the scheduler will look at."""
        value = trainer.callback_metrics.get(self._metric)
        checkpoint[MONITORED] = None if value is None else float(value)


def between_epochs(loops: dict[str, Any]) -> None:
    """Counters of the fit loop, in place: all epochs that were begun are over, and no batch of another is read."""
    for span in ("total", "current"):
        epochs = loops[EPOCHS][span]
        loops[EPOCHS][span] = dict.fromkeys(epochs, epochs["started"])
    _set(loops[BATCHES]["total"], loops[BATCHES]["total"]["processed"])
    _set(loops[BATCHES]["current"], 0)
    loops[BATCHES]["is_last_batch"] = False


def within_epoch(loops: dict[str, Any]) -> None:
    """Counters of the fit loop, in place: as behind the step of a batch whose hooks are not over yet."""
    for span in ("total", "current"):
        epochs, batches = loops[EPOCHS][span], loops[BATCHES][span]
        epochs.update(processed=epochs["started"] - 1, completed=epochs["started"] - 1)
        batches["completed"] = batches["processed"] - 1


def _set(counters: dict[str, int], value: int) -> None:
    for stage in STAGES:
        counters[stage] = value
