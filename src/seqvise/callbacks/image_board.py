"""Images and words in TensorBoard: queries with their nearest images, and embeddings in the projector."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from typing_extensions import override

from seqvise.callbacks.hooks import IMAGES, is_fit_validation, tensorboards
from seqvise.tasks.samples import EmbeddedImages, fields_of

if TYPE_CHECKING:
    from PIL.Image import Image

TILE_SIZE = 96
NEAREST_COUNT = 6
TITLE_WIDTH, TITLE_LETTERS = 140, 12
"""Width in pixels of the title column, and maximum number of letters per line of a title."""
MAX_PROJECTED = 2000
"""Maximum number of labels, and of images, in the projector."""


class ImageBoard(pl.Callback):
    """Logs the module's ``embedded_images`` after each validation of a fit, and to the projector at its end.

    Modules without such images, and loggers without images, are skipped.

    Args:
        queries: number of labels used as queries.
    """

    def __init__(self, queries: int = 8) -> None:
        self._queries = queries

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        embedded = fields_of(pl_module).embedded_images
        if embedded is None or not self._queries or not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        loggers = list(tensorboards(trainer))
        if loggers:
            grid = query_grid(embedded, self._queries)
            for logger in loggers:
                logger.experiment.add_image(f"{IMAGES}/queries", grid, trainer.global_step, dataformats="HWC")

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        embedded = fields_of(pl_module).embedded_images
        if embedded is None or not trainer.is_global_zero:
            return
        for logger in tensorboards(trainer):
            vectors, rows = projection(embedded)
            logger.experiment.add_embedding(
                vectors, metadata=rows, metadata_header=["label", "kind"], tag="words and images"
            )


def projection(embedded: EmbeddedImages, limit: int = MAX_PROJECTED) -> tuple[NDArray[np.float32], list[list[str]]]:
    """Vectors of at most ``limit`` labels and ``limit`` images, with the label and kind of each vector."""
    chosen_images = np.linspace(0, len(embedded.labels) - 1, min(limit, len(embedded.labels))).astype(np.int64)
    rows = [[title, "word"] for title in embedded.titles[:limit]]
    rows += [[embedded.titles[label], "image"] for label in embedded.labels[chosen_images]]
    return np.concatenate([embedded.words[:limit], embedded.vectors[chosen_images]]), rows


def nearest_images(embedded: EmbeddedImages, label: int, count: int) -> NDArray[np.int64]:
    """(n,) the images nearest to a label's word, nearest first."""
    return np.argsort(-(embedded.vectors @ embedded.words[label]), kind="stable")[:count]


def query_grid(embedded: EmbeddedImages, queries: int) -> NDArray[np.uint8]:
    """(H, W, 3) one row per query label: its title and nearest images, with a green frame if the label is correct."""
    from PIL import Image, ImageDraw, ImageFont

    labels = np.unique(embedded.labels)
    chosen_labels = labels[np.linspace(0, len(labels) - 1, min(queries, len(labels))).astype(np.int64)]
    grid = Image.new("RGB", (TITLE_WIDTH + TILE_SIZE * NEAREST_COUNT, TILE_SIZE * len(chosen_labels)), "white")
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(20)
    for row, label in enumerate(chosen_labels.tolist()):
        title = "\n".join(wrap(embedded.titles[label], TITLE_LETTERS)[:3])
        draw.text((6, row * TILE_SIZE + TILE_SIZE // 2), title, fill="black", font=font, anchor="lm")
        for column, image in enumerate(nearest_images(embedded, label, NEAREST_COUNT).tolist()):
            tile = _tile(embedded.files[image], correct=int(embedded.labels[image]) == label)
            grid.paste(tile, (TITLE_WIDTH + column * TILE_SIZE, row * TILE_SIZE))
    return np.asarray(grid, np.uint8)


def _tile(file: Path, correct: bool) -> Image:
    from PIL import Image, ImageOps

    from seqvise.images.decoding import BadImageError, decode

    inner: Any = (TILE_SIZE - 6, TILE_SIZE - 6)
    try:
        image = ImageOps.fit(decode(file), inner)
    except BadImageError:
        image = Image.new("RGB", inner, "grey")
    return ImageOps.expand(image, border=3, fill="green" if correct else "red")
