"""The checkpoints of a run. They are written only at steps from which training can be resumed exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.options import CallbackOptions
from seqvise.moved import current_metrics
from seqvise.tasks.options import MonitorOptions


class BestMetrics(pl.Callback):
    """Keeps all metrics of the best validation by the monitored metric, for ``metrics.json``.

    Args:
        mode: ``max`` or ``min``, whether larger or smaller is better.
    """

    def __init__(self, metric: str, mode: str) -> None:
        self.metric, self.sign = metric, 1.0 if mode == "max" else -1.0
        self.metrics: dict[str, float] = {}
        self.validated: int | None = None  # optimizer steps at the last validation

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if trainer.sanity_checking or self.metric not in metrics:
            return
        self.validated = trainer.global_step
        if not self.metrics or self.sign * metrics[self.metric] > self.sign * self.metrics[self.metric]:
            self.metrics = {**metrics, "epoch": trainer.current_epoch + 1}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"metrics": self.metrics, "validated": self.validated}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.metrics = current_metrics(state_dict["metrics"])
        self.validated = state_dict.get("validated")  # earlier revisions lack it

    def unvalidated_steps_message(self, steps: int) -> str | None:
        """A warning if training ended without a validation of its last steps; None if they were validated.

        steps: optimizer steps of the whole training.
        """
        if self.validated == steps or (self.validated is None and self.metrics):
            return None
        last_validation = (
            "before the first validation"
            if self.validated is None
            else f"and the last validation after {self.validated}"
        )
        return (
            f"Training ended after {steps} steps, {last_validation}: later steps were not validated and cannot be the "
            "best. To validate every N batches, set trainer.val_check_interval=N and "
            "trainer.check_val_every_n_epoch=null."
        )


LAST = "last.ckpt"
PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
COMMON: dict[str, Any] = {"enable_version_counter": False, "auto_insert_metric_name": False}


class TrainingTime(pl.Callback):
    """Counts the seconds of training over all starts of a run.

    A start that was killed counts up to the checkpoint from which the next one resumes.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._before = clock, 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return self._before + (0.0 if self._started is None else self._clock() - self._started)

    def start(self) -> None:
        """Starts the clock; training may be prepared before ``trainer.fit`` calls its first hook."""
        self._started = self._clock()

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]


class Checkpoints(ModelCheckpoint):
    """Lightning's callback with a state that stays valid when the run directory is moved, and epochs from 1 in names.

    If the folder has another name, Lightning loses track of the best checkpoints and overwrites them.
    """

    @override
    def _monitor_candidates(self, trainer: pl.Trainer) -> dict[str, Tensor]:
        """The metrics for names and comparisons."""
        return {**super()._monitor_candidates(trainer), "epoch": torch.tensor(trainer.current_epoch + 1)}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = Path(str(self.dirpath))
        moved = {name: _in_folder(folder, state_dict[name]) for name in PATHS}
        best = {_in_folder(folder, path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})


class BestCheckpoints(Checkpoints):
    """The N best checkpoints beside ``best.ckpt``; a separate class, so that its state has its own key."""


class LastCheckpoints(Checkpoints):
    """Checkpoints of the last validations beside ``last.ckpt``; a separate class, so that its state has its own key."""


class StepCheckpoint(Checkpoints):
    """``last.ckpt`` every N steps; a separate class, so that its state has its own key."""

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Skips a step that is followed by a validation: a run resumed here would leave out that validation."""
        if not validation_follows(trainer):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def build_checkpoints(options: CallbackOptions, monitor: MonitorOptions, folder: Path) -> Iterator[pl.Callback]:
    """The callbacks that write ``best.ckpt``, ``last.ckpt`` and other requested checkpoints into ``folder``."""
    ranked: dict[str, Any] = {"monitor": monitor.metric, "mode": monitor.mode}
    # Lightning's ckpt_path="best" refers to the first checkpoint callback.
    yield Checkpoints(folder, "best", save_top_k=min(options.keep_best, 1), **ranked, **COMMON)
    name = "epoch{epoch:03d}-step{step:06d}"
    if options.keep_best > 1:
        yield BestCheckpoints(folder, name, save_top_k=options.keep_best, **ranked, **COMMON)
    if options.keep_last > 1:
        latest: dict[str, Any] = {"monitor": "step", "mode": "max", "save_top_k": options.keep_last}
        yield LastCheckpoints(folder, f"last-{name}", **latest, **COMMON)
    # Lightning's save_last skips validations that are not among the best. This one also holds the state of those above.
    yield Checkpoints(folder, Path(LAST).stem, **COMMON)
    if options.save_steps is not None:
        yield StepCheckpoint(folder, Path(LAST).stem, every_n_train_steps=options.save_steps, **COMMON)


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether the end of the epoch or a validation follows the current training batch."""
    loop = trainer.fit_loop
    fetcher = loop._data_fetcher
    assert fetcher is not None
    return loop.epoch_loop.batch_progress.is_last_batch or loop.epoch_loop._should_check_val_fx(fetcher)


def _in_folder(folder: Path, path: str) -> str:
    return str(folder / Path(path).name) if path else path
