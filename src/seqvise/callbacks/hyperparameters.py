"""The run's row in TensorBoard's HPARAMS tab."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation, tensorboards


class HyperparameterRow(pl.Callback):
    """Shows the module's hyperparameters beside the best value of a metric so far, as ``hp/<metric>``.

    TensorBoard makes a row only for hyperparameters that come with a metric, so the row starts with a NaN.

    Args:
        metric: a metric logged in validation.
        mode: ``max`` or ``min``, which is better.
    """

    def __init__(self, metric: str, mode: str) -> None:
        self._metric = metric
        self._better = max if mode == "max" else min
        self._best = math.nan

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the row; a module that saved no hyperparameters has none."""
        if trainer.is_global_zero and pl_module.hparams_initial:
            for logger in tensorboards(trainer):
                logger.log_hyperparams(dict(pl_module.hparams_initial), {f"hp/{self._metric}": self._best})

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Brings the row up to date."""
        value = trainer.callback_metrics.get(self._metric)
        if value is None or not pl_module.hparams_initial or not is_fit_validation(trainer):
            return
        self._best = float(value) if math.isnan(self._best) else self._better(self._best, float(value))
        if trainer.is_global_zero:
            for logger in tensorboards(trainer):
                logger.log_metrics({f"hp/{self._metric}": self._best}, step=trainer.global_step)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self._best}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from the checkpoint's best value."""
        self._best = state_dict["best"]
