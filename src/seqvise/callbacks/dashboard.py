"""Validation results in TensorBoard: sample translations, attention maps, attention entropy, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from seqvise.callbacks.hooks import IMAGES, TEXTS, is_fit_validation, tensorboards
from seqvise.config.hparams import board_columns
from seqvise.figures import attention_figure, literal, pixels, save, single_axes
from seqvise.files import write_text
from seqvise.plain_text import markdown_text
from seqvise.tasks.samples import Counts, Sample, fields_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HyperparameterRow(pl.Callback):
    """Logs the module's hyperparameters with the best value of a metric so far, as ``<metric>_best``.

    TensorBoard shows hyperparameters only together with a metric, so the row starts with NaN.

    Args:
        metric: a metric logged in validation.
        mode: ``max`` or ``min``, whether larger or smaller is better.
        run_dir: the run directory, whose command line chooses the hyperparameters; None for all.
    """

    def __init__(self, metric: str, mode: str, run_dir: Path | None = None) -> None:
        self._metric, self._run_dir = metric, run_dir
        self._tag = f"{metric}_best"
        self._better = max if mode == "max" else min
        self._best = math.nan

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs the hyperparameters; a module without saved hyperparameters is skipped."""
        values = dict(pl_module.hparams_initial)
        if trainer.is_global_zero and values:
            columns = values if self._run_dir is None else board_columns(values, self._run_dir) or values
            for logger in tensorboards(trainer):
                logger.log_hyperparams(columns, {self._tag: self._best})

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get(self._metric)
        if value is None or not pl_module.hparams_initial or not is_fit_validation(trainer):
            return
        self._best = float(value) if math.isnan(self._best) else self._better(self._best, float(value))
        if trainer.is_global_zero:
            for logger in tensorboards(trainer):
                logger.log_metrics({self._tag: self._best}, step=trainer.global_step)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]


MAX_LABELS_WITH_COUNTS = 30
"""With more labels, counts are not written into the cells."""


class ConfusionPicture(pl.Callback):
    """Draws the module's ``confusion`` matrix after each validation of a fit. A module without one is skipped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        counts = fields_of(pl_module).confusion
        if counts is None or not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        figure = confusion_figure(counts, fields_of(pl_module).labels)
        save(figure, self._path)
        for logger in tensorboards(trainer):
            logger.experiment.add_image(f"{IMAGES}/confusion", pixels(figure), trainer.global_step, dataformats="HWC")


def confusion_figure(counts: Counts, labels: Sequence[str]) -> Figure:
    """A confusion matrix: one row per true label, one column per predicted label, shaded by the share of the row.

    Args:
        counts: (L, L).
        labels: L names.
    """
    side = min(max(3.0, 1.6 + 0.45 * len(labels)), 14.0)
    figure, axes = single_axes(side, side)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [literal(label)[:20] for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(labels) <= MAX_LABELS_WITH_COUNTS:
        for row, column in ((r, c) for r in range(len(labels)) for c in range(len(labels))):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color, fontsize=8)
    return figure


class Dashboard(pl.Callback):
    """Logs the module's ``samples`` and ``attention_entropy`` after each validation of a fit.

    Modules without them, and loggers without text or images, are skipped.

    Args:
        samples: number of translations logged as text.
        attention_maps: number of attention maps logged as images.
    """

    def __init__(self, samples: int = 8, attention_maps: int = 4) -> None:
        self._samples, self._maps = samples, attention_maps

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        _log_entropy(trainer, pl_module)
        samples = fields_of(pl_module).samples
        for logger in tensorboards(trainer):
            self._show(logger, samples, trainer.global_step)

    def _show(self, logger: TensorBoardLogger, samples: Sequence[Sample], step: int) -> None:
        text_samples = samples[: self._samples]
        if text_samples:
            logger.experiment.add_text(f"{TEXTS}/samples", samples_markdown(text_samples), step)
        mapped = [sample for sample in samples if sample.attention is not None and sample.attention.size]
        for number, sample in enumerate(mapped[: self._maps]):
            assert sample.attention is not None
            figure = attention_figure(sample.attention, sample.source_words, sample.output_words)
            logger.experiment.add_image(f"{IMAGES}/attention_{number}", pixels(figure), step, dataformats="HWC")


MAX_CELL = 200
"""Maximum characters of a text in TensorBoard; a longer one would leave the other columns no width."""


def samples_markdown(samples: Sequence[Sample]) -> str:
    """A Markdown table of translations; long texts are truncated."""
    rows = ((sample.source, sample.reference, sample.output) for sample in samples)
    lines = [" | ".join(markdown_text(_truncated(text)) for text in row) for row in rows]
    return "\n".join(f"| {line} |" for line in ("source | reference | output", "--- | --- | ---", *lines))


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1].rstrip()}…"


def _log_entropy(trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
    entropies = fields_of(pl_module).attention_entropy
    if entropies is None:
        return
    metrics = dict(zip(("val/attention_entropy", "val/attention_entropy_uniform"), entropies, strict=True))
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=trainer.global_step)


class SampleFile(pl.Callback):
    """Replaces a file of translations atomically after each validation of a fit."""

    def __init__(self, path: Path, count: int = 8) -> None:
        self._path, self._count = path, count

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        samples = fields_of(pl_module).samples[: self._count]
        if samples and trainer.is_global_zero and is_fit_validation(trainer):
            write_text(self._path, samples_text(samples))


def samples_text(samples: Sequence[Sample]) -> str:
    """Three labelled lines per sentence, with an empty line between sentences."""
    return "\n".join(
        f"source     {sample.source}\nreference  {sample.reference}\noutput     {sample.output}\n" for sample in samples
    )
