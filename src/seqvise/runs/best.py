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

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if trainer.sanity_checking or self.metric not in found:
            return
        if not self.metrics or self.sign * found[self.metric] > self.sign * self.metrics[self.metric]:
            self.metrics = {**found, "epoch": trainer.current_epoch + 1}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"metrics": self.metrics}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.metrics = dict(state_dict["metrics"])
