"""A callback that counts the distinct words in sample translations."""

from __future__ import annotations

import pytorch_lightning as pl

from seqvise.tasks.samples import fields_of


class DistinctWords(pl.Callback):
    """Logs the number of distinct words in the sample translations of each validation.

    Args:
        name: Name of the logged metric.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Counts the words of the task's samples of this validation."""
        words = {word for sample in fields_of(pl_module).samples for word in sample.output_words}
        for logger in trainer.loggers:
            logger.log_metrics({self.name: float(len(words))}, trainer.global_step)
