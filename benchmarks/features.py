"""Feature extraction from image files, compared with the forward pass of the network alone.

The images are generated JPEG files of 300 x 225 pixels. Extraction reads, decodes, scales and writes; the forward
passes use images in memory, in batches of the same size. All take turns in each round.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seqvise.images.backbones import Network, fuse_batch_norms, load_network
from seqvise.images.decoding import decode
from seqvise.images.features import extract
from seqvise.images.listing import ImageList, find_images
from seqvise.images.options import ImageOptions
from seqvise.images.transforms import evaluation_transform

SIZE = (225, 300)
COARSE = (9, 12)
"""Grid of random colours, between which an image is interpolated."""


def measure_features(
    count: int, rounds: int, backbone: str = "mobilenet_v2", weights: str | None = None
) -> dict[str, Any]:
    """Median images per second of extraction, torchvision's forward pass and the fused one, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        _draw(root / "noise", count)
        options = ImageOptions(name="noise", root=str(root), backbone=backbone, weights=weights)
        network, images = load_network(options), find_images(options).images
        batches = list(_batches(network, images, options.extract_batch_size))
        references = _references(network, batches)
        seconds: dict[str, list[float]] = {name: [] for name in ("extraction", *references)}
        for number in range(rounds):
            cache = Path(folder) / f"cache{number}"
            seconds["extraction"].append(_timed(lambda: extract(images, network, options, cache)))  # noqa: B023
            for name, reference in references.items():
                seconds[name].append(_timed(reference))
    rates = {f"{name}_rate": count / statistics.median(durations) for name, durations in seconds.items()}
    ratios = {
        f"{name}_ratio": statistics.median(np.divide(seconds[name], seconds["extraction"]).tolist())
        for name in references
    }
    return {"backbone": backbone, "images": count, "processors": os.cpu_count(), **rates, **ratios}


def _references(network: Network, batches: list[Tensor]) -> dict[str, Callable[[], None]]:
    """Forward passes over all images: plain torchvision, and with fused batch norm and channels-last layout."""
    plain = deepcopy(network.backbone)
    mean, std = cast(Tensor, plain.mean), cast(Tensor, plain.std)
    ready = [(batch.float() - mean) / std for batch in batches]
    channels_last = [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
    fused: Any = fuse_batch_norms(network.backbone, network.preset.crop)
    fused_network = fused.to(memory_format=torch.channels_last)

    def passes(forward: nn.Module, inputs: list[Tensor]) -> None:
        with torch.inference_mode():
            for batch in inputs:
                forward(batch)

    return {
        "forward": lambda: passes(nn.Sequential(plain.body, plain.pool), ready),
        "fused": lambda: passes(fused_network, channels_last),
    }


def _batches(network: Network, images: ImageList, size: int) -> Iterator[Tensor]:
    transform = evaluation_transform(network.preset)
    for start in range(0, len(images), size):
        yield torch.stack([transform(decode(images.file(row))) for row in range(start, min(start + size, len(images)))])


def _draw(folder: Path, count: int) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    height, width = SIZE
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (*COARSE, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noise = rng.integers(-8, 9, (height, width, 3), np.int16)
        Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=90)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
