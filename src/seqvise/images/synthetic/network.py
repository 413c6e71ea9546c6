"""The small backbone for the built-in pictures, and its training from scratch."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
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
"""Normalization of all colour channels; `data.transform` must have the same values."""

EPOCHS, BATCH, RATE, DECAY = 18, 16, 4e-3, 1e-3
WARMUP_FRACTION = 0.2
MAX_SHIFT = 4
"""Maximum random shift in each direction in training, in pixels."""

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called after each epoch with its number, from 1, and the number of epochs."""


class PicturesNetwork(nn.Module):
    """Four convolutions. Features are the global averages of the last two feature maps, textures and shapes.

    The classifier has all classes of ``NAMES``, in that order.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.lines = nn.Sequential(_layer(3, first, 5, 2), _layer(first, second, 3), nn.MaxPool2d(2))
        self.textures = _layer(second, third, 3)
        self.shapes = nn.Sequential(nn.MaxPool2d(2), _layer(third, fourth, 3))
        self.classifier = nn.Linear(third + fourth, len(NAMES))

    def forward(self, images: Tensor) -> Tensor:
        """Maps normalized images (B, 3, H, W) to logits (B, C)."""
        textures = self.textures(self.lines(images))
        shapes = self.shapes(textures)
        return cast(Tensor, self.classifier(torch.cat([textures.mean((2, 3)), shapes.mean((2, 3))], 1)))


def train_network(
    images: Tensor, labels: Tensor, seed: int, epochs: int = EPOCHS, progress: Progress | None = None
) -> PicturesNetwork:
    """Trains a network with cross-entropy on the CPU; returns it in evaluation mode.

    Args:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64 indices into ``NAMES``.
        seed: seed of weights, data order and augmentation.
        progress: called after each epoch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PicturesNetwork()
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
        steps = epochs * math.ceil(len(labels) / BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor((step + 1) / (steps + 1)))
        for epoch in range(1, epochs + 1):
            for rows in torch.randperm(len(labels)).split(BATCH):
                _step(network, optimizer, augmented(images[rows]), labels[rows])
                schedule.step()
            if progress is not None:
                progress(epoch, epochs)
    network.eval()
    return network


def lr_factor(progress: float) -> float:
    """Learning rate factor: linear warm-up over the first fifth, then linear decay. progress: from 0 to 1."""
    return min(progress / WARMUP_FRACTION, (1 - progress) / (1 - WARMUP_FRACTION))


@torch.inference_mode()
def accuracy(network: PicturesNetwork, images: Tensor, labels: Tensor) -> float:
    """The fraction of images (N, 3, H, W) whose predicted class equals ``labels`` (N,)."""
    predictions = [network(scaled(part)).argmax(1) for part in images.split(256)]
    return float((torch.cat(predictions) == labels).float().mean())


def scaled(images: Tensor) -> Tensor:
    """Normalizes images (B, 3, H, W) uint8."""
    return (images.float() / 255 - MEAN) / STD


def augmented(images: Tensor) -> Tensor:
    """Augments pictures (B, 3, H, W): random shifts with replicated borders, and random horizontal flips."""
    mirrored = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    padded = F.pad(mirrored.float(), (MAX_SHIFT,) * 4, mode="replicate").to(torch.uint8)
    offsets, (height, width) = torch.randint(2 * MAX_SHIFT + 1, (len(padded), 2)).tolist(), images.shape[2:]
    pairs = zip(padded, offsets, strict=True)
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in pairs])


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
"""Version of the network and its training, for changes that the hyperparameters below do not cover."""


def weights_file(split: ImageSplit, cache: Path, seed: int, progress: Progress | None = None) -> Path:
    """Trains a network on the training part of a split, and saves it as ``cache/pictures/network-<hash>.pt``.

    The hash covers everything that determines the weights; an existing file is reused. The file has no classifier,
    which would only have the labels of training. seed: seed of weights and data order.
    """
    training = split.images.select(split.rows["train"])
    hyperparameters = [WIDTHS, EPOCHS, BATCH, RATE, DECAY, MAX_SHIFT]
    identity = [FORMAT, hyperparameters, training.digest(), training.labels.tolist(), training.names, seed]
    file = cache / "pictures" / f"network-{digest(json.dumps(identity))}.pt"
    with locked(file.with_name(f".{file.name}.lock")):
        if not file.exists():
            remove_stale(file)
            network = train_network(*_tensors(training), seed, progress=progress)
            valid = split.images.select(split.rows["valid"])
            share = 100 * accuracy(network, *_tensors(valid))
            log.info(
                "pictures: the backbone predicts the label of %.1f %% of %d validation pictures", share, len(valid)
            )
            weights = {key: value for key, value in network.state_dict().items() if not key.startswith("classifier.")}
            with atomic_write(file) as temporary:
                torch.save(weights, temporary)
                stamp_archive(temporary)
    return file


def _tensors(images: ImageList) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) uint8 and indices (N,) into ``NAMES``."""
    pixels = np.stack([np.asarray(decode(images.file(row))) for row in range(len(images))])
    class_ids = [NAMES.index(images.names[label]) for label in images.labels.tolist()]
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor(class_ids)
