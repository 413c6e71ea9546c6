"""``seqvise prepare`` for images: extracts features, and prints counts and unreadable files."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from seqvise.config.options import Config
from seqvise.paths import cache_folder
from seqvise.plain_text import printable
from seqvise.progress_bar import Count, counting

if TYPE_CHECKING:
    from seqvise.images.features import FeatureStore
    from seqvise.images.listing import ImageSplit

log = logging.getLogger(__name__)
MAX_SHOWN = 20
"""Maximum number of unreadable files that are printed; the store's records name all of them."""


def prepare_images(config: Config) -> None:
    """Lists the images, computes missing features, and prints statistics."""
    from seqvise.images.backbones import load_network
    from seqvise.images.features import extract
    from seqvise.images.listing import find_images

    parts = find_images(config.data)
    split = parts.split(config.data)
    network = load_network(config.data, config.seed or 0)
    with counting_images() as progress:
        store = extract(
            parts.images,
            network,
            config.data,
            cache_folder(config.paths),
            extraction_device(config.trainer.accelerator),
            progress,
        )
    show(split, store)


def extraction_device(accelerator: str) -> str:
    """The device of the network for `trainer.accelerator`. Logs a warning if the accelerator is not available."""
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    if accelerator in ("gpu", "cuda", "mps"):
        log.warning(
            "trainer.accelerator is '%s', but torch has no such device: features are computed on the CPU.", accelerator
        )
    return "cpu"


def show(split: ImageSplit, store: FeatureStore) -> None:
    """Prints numbers of images and labels, unreadable files and the store's folder on standard output."""
    console = Console(soft_wrap=True, highlight=False)
    table = Table("images of", "labels", "images", "unreadable")
    for use, rows in split.rows.items():
        bad = len(rows) - len(store.good(rows))
        table.add_row(use, f"{len(np.unique(split.images.labels[rows])):,}", f"{len(rows):,}", f"{bad:,}")
    console.print(table)
    for path, reason in list(store.bad_files().items())[:MAX_SHOWN]:
        console.print(f"unreadable: {printable(path)}: {printable(reason)}", markup=False)
    if len(store.bad) > MAX_SHOWN:
        console.print(f"... and {len(store.bad) - MAX_SHOWN:,} more")
    console.print(f"features: {store.folder}", markup=False)


def counting_images() -> AbstractContextManager[Count]:
    """Shows the progress of ``extract``; nothing if all features are cached."""
    return counting("features", "images")
