"""The validation metrics of the epoch whose checkpoint is kept as the best."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from typing_extensions import override


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
