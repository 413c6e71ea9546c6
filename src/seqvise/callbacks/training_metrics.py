"""Logs smoothed loss, gradient norm and throughput during training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from seqvise.callbacks.hooks import batch_loss, is_logged, step_counts
from seqvise.callbacks.throughput import Smoothed, Speedometer
from seqvise.tasks.samples import fields_of


class TrainingSignals(pl.Callback):
    """Logs ``train/loss_smooth``, ``train/gradient_norm`` and ``speed/{tokens,sentences}_per_second``, or the speed
    in the task's ``unit``.

    The gradient norm is measured before clipping, at logged steps. The speed is the mean since the last log,
    multiplied by the number of ranks; tokens are the module's ``last_tokens``.
    """

    def __init__(self, beta: float = 0.98) -> None:
        self._loss: Smoothed[Tensor] = Smoothed(beta)
        self._speed = Speedometer()
        self._logged_at = -1

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._speed.reset()
        self._logged_at = trainer.global_step

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._speed.resume()

    @override
    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if is_logged(trainer, trainer.global_step + 1):
            pl_module.log("train/gradient_norm", gradient_norm(pl_module))

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        pl_module.log("train/loss_smooth", self._loss.add(batch_loss(trainer, outputs)))
        self._speed.add(*step_counts(pl_module, batch))
        if is_logged(trainer, trainer.global_step) and trainer.global_step != self._logged_at:
            self._log_speed(trainer, pl_module)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"mean": float(self._loss.mean), "count": self._loss.count}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loss.mean, self._loss.count = state_dict["mean"], state_dict["count"]

    def _log_speed(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for name, rate in self._speed.rates(fields_of(pl_module).unit).items():
            pl_module.log(f"speed/{name}_per_second", rate * trainer.world_size)
        self._speed.reset()
        self._logged_at = trainer.global_step


def gradient_norm(module: torch.nn.Module) -> Tensor:
    """The Euclidean norm of all gradients of a module as one vector, (); 0 without gradients."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
