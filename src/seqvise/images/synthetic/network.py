"""The small network that looks at the built-in pictures, and its training from nothing."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.checksums import stamp_archive
from seqvise.files import atomic_write, digest, locked, remove_stale
from seqvise.images.decoding import decode
from seqvise.images.listing import ImageList, ImageSplit
from seqvise.images.synthetic.classes import NAMES

WIDTHS = (20, 40, 80, 160)
MEAN, STD = 0.5, 0.25
"""Of red, green and blue alike; `data.transform` has the same numbers."""

EPOCHS, BATCH, RATE, DECAY = 18, 16, 4e-3, 1e-3
CLIMB = 0.2
SHIFT = 4
"""Pixels that training moves a picture by, at most, in each direction."""

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called after each epoch with its number from 1 and the number of all."""


class PicturesNetwork(nn.Module):
    """Four convolutions. Features are the means over places of the last two maps: textures, and what they make up.

    The classifier knows all classes of ``NAMES``, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.lines = nn.Sequential(_layer(3, first, 5, 2), _layer(first, second, 3), nn.MaxPool2d(2))
        self.textures = _layer(second, third, 3)
        self.shapes = nn.Sequential(nn.MaxPool2d(2), _layer(third, fourth, 3))
        self.classifier = nn.Linear(third + fourth, len(NAMES))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) colours of mean 0 and deviation 1 to (B, C)."""
        textures = self.textures(self.lines(images))
        shapes = self.shapes(textures)
        return cast(Tensor, self.classifier(torch.cat([textures.mean((2, 3)), shapes.mean((2, 3))], 1)))


def train_network(
    images: Tensor, labels: Tensor, seed: int, epochs: int = EPOCHS, progress: Progress | None = None
) -> PicturesNetwork:
    """A network trained by cross entropy, on the CPU, in evaluation mode.

    Args:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64, places in ``NAMES``.
        seed: of weights, order and changes of the pictures.
        progress: told after each epoch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PicturesNetwork()
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
        steps = epochs * math.ceil(len(labels) / BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_rate((step + 1) / (steps + 1)))
        for epoch in range(1, epochs + 1):
            for rows in torch.randperm(len(labels)).split(BATCH):
                _step(network, optimizer, changed(images[rows]), labels[rows])
                schedule.step()
            if progress is not None:
                progress(epoch, epochs)
    network.eval()
    return network


def share_of_rate(progress: float) -> float:
    """The rate, as a share of the highest: up over the first fifth of training, then down. progress: from 0 to 1."""
    return min(progress / CLIMB, (1 - progress) / (1 - CLIMB))


@torch.inference_mode()
def accuracy(network: PicturesNetwork, images: Tensor, labels: Tensor) -> float:
    """The share of images (N, 3, H, W) whose best class is the one of ``labels`` (N,)."""
    found = [network(scaled(part)).argmax(1) for part in images.split(256)]
    return float((torch.cat(found) == labels).float().mean())


def scaled(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 as the network reads it."""
    return (images.float() / 255 - MEAN) / STD


def changed(images: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) shifted a little at random, the border going on outwards, and half of them mirrored."""
    mirrored = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    padded = F.pad(mirrored.float(), (SHIFT,) * 4, mode="replicate").to(torch.uint8)
    return torch.stack(list(_shifted(padded, *images.shape[2:])))


def _shifted(padded: Tensor, height: int, width: int) -> Iterator[Tensor]:
    places = torch.randint(2 * SHIFT + 1, (len(padded), 2)).tolist()
    return (image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, places, strict=True))


def _step(network: PicturesNetwork, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    network.train()
    inputs = scaled(images).contiguous(memory_format=torch.channels_last)
    loss = F.cross_entropy(network(inputs), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _layer(channels: int, width: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


FORMAT = 1
"""Changes with anything in the network or its training that the numbers below do not tell."""


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
            remove_stale(file)
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
