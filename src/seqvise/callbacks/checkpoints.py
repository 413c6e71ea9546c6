"""Which checkpoints a run keeps, and when they are written: only where training can go on exactly from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from typing_extensions import override

from seqvise.callbacks.options import CallbackOptions
from seqvise.tasks.options import MonitorOptions


class BestMetrics(pl.Callback):
    """Keeps the metrics of the validation that was best by the monitored one, for ``metrics.json``.

    Args:
        metric: the name of the monitored metric.
        mode: ``max`` or ``min``, whether larger or smaller is better.
    """

    def __init__(self, metric: str, mode: str) -> None:
        self.metric, self.sign = metric, 1.0 if mode == "max" else -1.0
        self.metrics: dict[str, float] = {}
        self.validated: int | None = None  # optimizer steps before the last validation

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if trainer.sanity_checking or self.metric not in found:
            return
        self.validated = trainer.global_step
        if not self.metrics or self.sign * found[self.metric] > self.sign * self.metrics[self.metric]:
            self.metrics = {**found, "epoch": trainer.current_epoch + 1}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"metrics": self.metrics, "validated": self.validated}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.metrics = dict(state_dict["metrics"])
        self.validated = state_dict.get("validated")  # earlier revisions lack it

    def unmeasured(self, steps: int) -> str | None:
        """A sentence on training that ended without a validation of its last steps; None where it had one.

        steps: of the whole training.
        """
        if self.validated == steps or (self.validated is None and self.metrics):
            return None
        before = (
            "before the first validation"
            if self.validated is None
            else f"and the last validation after {self.validated}"
        )
        return (
            f"Training ended after {steps} steps, {before}: no later step was measured, or can be the best. To "
            "validate every N batches, set trainer.val_check_interval=N and trainer.check_val_every_n_epoch=null."
        )


LAST = "last.ckpt"
PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
COMMON: dict[str, Any] = {"enable_version_counter": False, "auto_insert_metric_name": False}


class Checkpoints(ModelCheckpoint):
    """Lightning's, whose state goes with the run's folder when that is moved.

    Lightning forgets which checkpoints were the best where their folder has another name, and overwrites them.
    """

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores paths as they are now."""
        folder = Path(str(self.dirpath))
        moved = {name: _within(folder, state_dict[name]) for name in PATHS}
        best = {_within(folder, path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})


class BestCheckpoints(Checkpoints):
    """Several of the best checkpoints beside ``best.ckpt``; its own class, so that its state has its own key."""


class LastCheckpoints(Checkpoints):
    """Checkpoints of the last validations beside ``last.ckpt``; its own class, so that its state has its own key."""


class StepCheckpoint(Checkpoints):
    """``last.ckpt`` every so many steps; its own class, so that its state has its own key."""

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Leaves a step to the validation that follows it: what resumes here would leave that out."""
        if not validation_follows(trainer):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def build_checkpoints(options: CallbackOptions, monitor: MonitorOptions, folder: Path) -> Iterator[pl.Callback]:
    """The callbacks that write into ``folder``: ``best.ckpt``, ``last.ckpt`` and those asked for beside them."""
    ranked: dict[str, Any] = {"monitor": monitor.metric, "mode": monitor.mode}
    # Lightning takes its ckpt_path="best" from the first one.
    yield Checkpoints(folder, "best", save_top_k=min(options.keep_best, 1), **ranked, **COMMON)
    name = "epoch{epoch:03d}-step{step:06d}"
    if options.keep_best > 1:
        yield BestCheckpoints(folder, name, save_top_k=options.keep_best, **ranked, **COMMON)
    if options.keep_last > 1:
        latest: dict[str, Any] = {"monitor": "step", "mode": "max", "save_top_k": options.keep_last}
        yield LastCheckpoints(folder, f"last-{name}", **latest, **COMMON)
    # Lightning's save_last leaves a validation out that is not among the best. These hold the state of those above.
    yield Checkpoints(folder, Path(LAST).stem, **COMMON)
    if options.save_steps is not None:
        yield StepCheckpoint(folder, Path(LAST).stem, every_n_train_steps=options.save_steps, **COMMON)


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether the epoch or a validation ends with the training batch that has just been read."""
    loop = trainer.fit_loop
    fetcher = loop._data_fetcher
    assert fetcher is not None
    return loop.epoch_loop.batch_progress.is_last_batch or loop.epoch_loop._should_check_val_fx(fetcher)


def _within(folder: Path, path: str) -> str:
    return str(folder / Path(path).name) if path else path
