"""The confusion matrix of a classifier as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation, tensorboards
from seqvise.callbacks.pictures import pixels, save
from seqvise.metrics.confusion import Counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 30
"""Labels up to which counts are written into the cells."""


class ConfusionPicture(pl.Callback):
    """Draws the module's ``confusion`` after each validation of a fit. A module without one is left alone.

    Args:
        path: of the PNG file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the file, and shows it in TensorBoard."""
        counts: Counts | None = getattr(pl_module, "confusion", None)
        if counts is None or not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        figure = confusion_figure(counts, getattr(pl_module, "labels", ()))
        save(figure, self._path)
        for logger in tensorboards(trainer):
            logger.experiment.add_image("confusion", pixels(figure), trainer.global_step, dataformats="HWC")


def confusion_figure(counts: Counts, labels: Sequence[str]) -> Figure:
    """A row for each true label, a column for each that was found, dark by its share of the row.

    Args:
        counts: (L, L).
        labels: L names.
    """
    from matplotlib.figure import Figure

    side = min(max(3.0, 1.6 + 0.45 * len(labels)), 14.0)
    figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [label.replace("$", r"\$")[:20] for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("found")
    axes.set_ylabel("true")
    if len(labels) <= WRITTEN:
        for row, column in ((r, c) for r in range(len(labels)) for c in range(len(labels))):
            dark = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=dark, fontsize=8)
    return figure
