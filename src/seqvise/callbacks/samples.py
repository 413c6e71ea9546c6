"""The run's ``samples.txt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from typing_extensions import override

from seqvise.callbacks.dashboard import samples_of
from seqvise.callbacks.hooks import is_fit_validation
from seqvise.files import write_text
from seqvise.tasks.samples import Sample


class SampleFile(pl.Callback):
    """Rewrites a file of translations after each validation of a fit, never half.

    Args:
        path: the file.
        count: translations written.
    """

    def __init__(self, path: Path, count: int = 8) -> None:
        self._path, self._count = path, count

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the module's ``samples``; a module without leaves the file as it is."""
        samples = samples_of(pl_module)[: self._count]
        if samples and trainer.is_global_zero and is_fit_validation(trainer):
            write_text(self._path, samples_text(samples))


def samples_text(samples: Sequence[Sample]) -> str:
    """Three labelled lines a sentence, an empty line between sentences."""
    return "\n".join(
        f"source     {sample.source}\nreference  {sample.reference}\noutput     {sample.output}\n" for sample in samples
    )
