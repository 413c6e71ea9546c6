"""Features of images on the disk against the network's forward pass alone.

The images are made: JPEG files of 300 x 225 pixels. Extraction reads, decodes, scales and writes; the forward passes
have their images ready in memory, in batches of the same size. All take turns, round by round.
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
"""Places with a colour of their own, between which an image is smooth."""


def measure_features(
    count: int, rounds: int, backbone: str = "mobilenet_v2", weights: str | None = None
) -> dict[str, Any]:
    """Median images a second of extraction, of torchvision's forward pass and of the fused one, and ratios to these."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        _draw(root / "noise", count)
        options = ImageOptions(name="noise", root=str(root), backbone=backbone, weights=weights)
        network, images = load_network(options), find_images(options).images
        batches = list(_batches(network, images, options.extract_batch_size))
        rivals = _rivals(network, batches)
        seconds: dict[str, list[float]] = {name: [] for name in ("extraction", *rivals)}
        for number in range(rounds):
            cache = Path(folder) / f"cache{number}"
            seconds["extraction"].append(_timed(lambda: extract(images, network, options, cache)))  # noqa: B023
            for name, rival in rivals.items():
                seconds[name].append(_timed(rival))
    rates = {f"{name}_rate": count / statistics.median(taken) for name, taken in seconds.items()}
    ratios = {
        f"{name}_ratio": statistics.median(np.divide(seconds[name], seconds["extraction"]).tolist()) for name in rivals
    }
    return {"backbone": backbone, "images": count, "processors": os.cpu_count(), **rates, **ratios}


def _rivals(network: Network, batches: list[Tensor]) -> dict[str, Callable[[], None]]:
    """Forward passes over all images, as a user of torchvision writes it, and with batch norm and layout seen to."""
    plain = deepcopy(network.backbone)
    mean, std = cast(Tensor, plain.mean), cast(Tensor, plain.std)
    ready = [(batch.float() - mean) / std for batch in batches]
    laid = [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
    quick = cast(Any, fuse_batch_norms(network.backbone, network.preset.crop)).to(memory_format=torch.channels_last)

    def passes(forward: nn.Module, inputs: list[Tensor]) -> None:
        with torch.inference_mode():
            for batch in inputs:
                forward(batch)

    return {
        "forward": lambda: passes(nn.Sequential(plain.body, plain.pool), ready),
        "fused": lambda: passes(quick, laid),
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
