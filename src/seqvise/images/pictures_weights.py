"""Weights of the small network for the built-in pictures, as a file like any other."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seqvise.checksums import stamp_archive
from seqvise.files import atomic_write, digest, locked, remove_dead
from seqvise.images.decoding import decode
from seqvise.images.listing import ImageList, ImageSplit
from seqvise.images.pictures_classes import NAMES
from seqvise.images.pictures_network import (
    BATCH,
    DECAY,
    EPOCHS,
    RATE,
    SHIFT,
    WIDTHS,
    PicturesNetwork,
    accuracy,
    train_network,
)

log = logging.getLogger(__name__)

FORMAT = 1
"""Changes with anything in the network or its training that the numbers below do not tell."""

Progress = Callable[[int, int], None]
"""Called after each epoch with its number from 1 and the number of all."""


def weights_file(split: ImageSplit, cache: Path, seed: int, progress: Progress | None = None) -> Path:
    """The weights of a network trained on the training part of a split, as ``cache/pictures/network-<hash>.pt``.

    The hash is of all that shapes them; they are trained where they are not there yet. The file has no classifier,
    which would know the labels of training only.

    Args:
        split: of the built-in pictures.
        seed: of weights and order.
    """
    training = split.images.select(split.rows["train"])
    numbers = [WIDTHS, EPOCHS, BATCH, RATE, DECAY, SHIFT]
    identity = [FORMAT, numbers, training.digest(), training.labels.tolist(), training.names, seed]
    file = cache / "pictures" / f"network-{digest(json.dumps(identity))}.pt"
    with locked(file.with_name(f".{file.name}.lock")):
        if not file.exists():
            remove_dead(file)
            network = train_network(*_tensors(training), seed, progress=progress)
            _report(network, split.images.select(split.rows["valid"]))
            weights = {key: value for key, value in network.state_dict().items() if not key.startswith("classifier.")}
            with atomic_write(file) as temporary:
                torch.save(weights, temporary)
                stamp_archive(temporary)
    return file


def _report(network: PicturesNetwork, images: ImageList) -> None:
    right = accuracy(network, *_tensors(images))
    log.info("pictures: the network finds the label of %.1f %% of %d validation pictures", 100 * right, len(images))


def _tensors(images: ImageList) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) uint8 and places (N,) in ``NAMES``."""
    pixels = np.stack([np.asarray(decode(images.file(row))) for row in range(len(images))])
    places = [NAMES.index(images.names[label]) for label in images.labels.tolist()]
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor(places)
