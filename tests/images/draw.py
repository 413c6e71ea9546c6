"""Tiny synthetic images for tests, and a tiny network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from torch import Tensor, nn

from seqvise.images.options import ImageOptions, TransformOptions

COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (220, 30, 20)}
SMALL = TransformOptions(resize=20, crop=16)


class TinyNetwork(nn.Module):
    """Three convolutions, batch norm between them, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
            nn.Conv2d(6, 8, 3),
        )
        self.classifier = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.classifier(self.features(images).mean((2, 3))))


TINY = f"{TinyNetwork.__module__}.{TinyNetwork.__qualname__}"


def draw(path: Path, colour: Sequence[int], size: tuple[int, int] = (24, 30), seed: int = 0) -> None:
    """Writes noise around a colour; the same arguments write the same bytes."""
    from PIL import Image

    noise = np.random.default_rng(seed).integers(-20, 20, (*size, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)


def draw_folder(root: Path, count: int = 4, part: str = "") -> Path:
    """Writes ``root/part/COLOUR/n.png``: ``count`` images of each of three colours."""
    for index, (name, colour) in enumerate(COLOURS.items()):
        for number in range(count):
            draw(root / part / name / f"{number}.png", colour, seed=100 * index + number + len(part))
    return root


def image_options(root: Path, **choices: object) -> ImageOptions:
    """Options for a folder of drawn images and the tiny network, without decoding processes."""
    defaults = {"root": str(root), "backbone": TINY, "weights": None, "transform": SMALL, "workers": 0, "shard": 5}
    return ImageOptions(**{**defaults, "extract_batch_size": 3, **choices})  # type: ignore[arg-type]
