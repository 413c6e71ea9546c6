"""What TensorBoard shows of a validation: translations as text, attention as pictures and as one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation, tensorboards
from seqvise.callbacks.pictures import attention_figure, pixels
from seqvise.plain_text import markdown_text
from seqvise.tasks.samples import Sample


class Dashboard(pl.Callback):
    """Shows the module's ``samples`` and ``attention_entropy`` after each validation of a fit.

    A module without them, or a logger that takes no text or pictures, is left alone.

    Args:
        samples: translations shown as text.
        attention_maps: attention maps shown as pictures.
    """

    def __init__(self, samples: int = 8, attention_maps: int = 4) -> None:
        self._samples, self._maps = samples, attention_maps

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows what the validation has left on the module."""
        if not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        _log_entropy(trainer, pl_module)
        samples = samples_of(pl_module)
        for logger in tensorboards(trainer):
            self._show(logger, samples, trainer.global_step)

    def _show(self, logger: TensorBoardLogger, samples: Sequence[Sample], step: int) -> None:
        shown = samples[: self._samples]
        if shown:
            logger.experiment.add_text("samples", samples_markdown(shown), step)
        mapped = [sample for sample in samples if sample.attention is not None and sample.attention.size]
        for number, sample in enumerate(mapped[: self._maps]):
            assert sample.attention is not None
            figure = attention_figure(sample.attention, sample.source_words, sample.output_words)
            logger.experiment.add_image(f"attention/{number}", pixels(figure), step, dataformats="HWC")


def samples_of(pl_module: pl.LightningModule) -> Sequence[Sample]:
    """The translations the last validation kept on the module; none where the task keeps none."""
    return cast(Sequence[Sample], getattr(pl_module, "samples", ()))


def samples_markdown(samples: Sequence[Sample]) -> str:
    """A table of translations."""
    rows = ((sample.source, sample.reference, sample.output) for sample in samples)
    lines = [" | ".join(map(markdown_text, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in ("source | reference | output", "--- | --- | ---", *lines))


def _log_entropy(trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
    entropies: tuple[float, float] | None = getattr(pl_module, "attention_entropy", None)
    if entropies is None:
        return
    metrics = dict(zip(("attention/entropy", "attention/uniform"), entropies, strict=True))
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=trainer.global_step)
