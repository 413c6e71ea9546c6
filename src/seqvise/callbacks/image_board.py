"""What TensorBoard shows of images among words: queries with their nearest images, and both in the projector."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation, tensorboards
from seqvise.tasks.samples import EmbeddedImages

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96
NEAREST = 6
WORD, LETTERS = 140, 12
"""Pixels of the column that names the query, and letters of a line there."""
PROJECTED = 2000


class ImageBoard(pl.Callback):
    """Shows the module's ``placed`` images after each validation of a fit, and in the projector after its last.

    A module that places none, or a logger that takes no pictures, is left alone.

    Args:
        queries: labels asked for images.
    """

    def __init__(self, queries: int = 8) -> None:
        self._queries = queries

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draws the grid."""
        placed = placed_of(pl_module)
        if placed is None or not self._queries or not trainer.is_global_zero or not is_fit_validation(trainer):
            return
        boards = list(tensorboards(trainer))
        if boards:
            grid = query_grid(placed, self._queries)
            for logger in boards:
                logger.experiment.add_image("queries", grid, trainer.global_step, dataformats="HWC")

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes words and images for the projector."""
        placed = placed_of(pl_module)
        if placed is None or not trainer.is_global_zero:
            return
        for logger in tensorboards(trainer):
            vectors, rows = projection(placed)
            logger.experiment.add_embedding(
                vectors, metadata=rows, metadata_header=["label", "kind"], tag="words and images"
            )


def placed_of(pl_module: pl.LightningModule) -> EmbeddedImages | None:
    """What the module has placed; None where it places no images."""
    return cast(EmbeddedImages | None, getattr(pl_module, "placed", None))


def projection(placed: EmbeddedImages, limit: int = PROJECTED) -> tuple[NDArray[np.float32], list[list[str]]]:
    """Vectors of at most so many labels and images each, and label and kind of every one."""
    chosen = np.linspace(0, len(placed.labels) - 1, min(limit, len(placed.labels))).astype(np.int64)
    rows = [[title, "word"] for title in placed.titles[:limit]]
    rows += [[placed.titles[label], "image"] for label in placed.labels[chosen]]
    return np.concatenate([placed.words[:limit], placed.vectors[chosen]]), rows


def nearest_images(placed: EmbeddedImages, label: int, count: int) -> NDArray[np.int64]:
    """(n,) the images nearest to a label's word."""
    return np.argsort(-(placed.vectors @ placed.words[label]), kind="stable")[:count]


def query_grid(placed: EmbeddedImages, queries: int) -> NDArray[np.uint8]:
    """(H, W, 3) a row for each of some labels: its title, and the images nearest to it; a green frame is its own."""
    from PIL import Image, ImageDraw, ImageFont

    shown = np.unique(placed.labels)
    chosen = shown[np.linspace(0, len(shown) - 1, min(queries, len(shown))).astype(np.int64)]
    grid = Image.new("RGB", (WORD + SIDE * NEAREST, SIDE * len(chosen)), "white")
    pen, font = ImageDraw.Draw(grid), ImageFont.load_default(20)
    for row, label in enumerate(chosen.tolist()):
        title = "\n".join(wrap(placed.titles[label], LETTERS)[:3])
        pen.text((6, row * SIDE + SIDE // 2), title, fill="black", font=font, anchor="lm")
        for column, image in enumerate(nearest_images(placed, label, NEAREST).tolist()):
            tile = _tile(placed.files[image], right=int(placed.labels[image]) == label)
            grid.paste(tile, (WORD + column * SIDE, row * SIDE))
    return np.asarray(grid, np.uint8)


def _tile(file: Path, right: bool) -> Image:
    from PIL import Image, ImageOps

    from seqvise.images.decoding import BadImageError, decode

    inner: Any = (SIDE - 6, SIDE - 6)
    try:
        picture = ImageOps.fit(decode(file), inner)
    except BadImageError:
        picture = Image.new("RGB", inner, "grey")
    return ImageOps.expand(picture, border=3, fill="green" if right else "red")
