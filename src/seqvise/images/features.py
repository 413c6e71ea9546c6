"""Features of images, computed once and kept in shards on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.errors import UserError
from seqvise.files import digest, locked
from seqvise.images.backbones import Network, fused
from seqvise.images.decoding import BadImageError, decode
from seqvise.images.listing import ImageList, Rows
from seqvise.images.options import MAX_PIXELS, MOST_PIXELS, ImageOptions
from seqvise.images.shards import Shards, ShardWriter, own_manifest
from seqvise.images.transforms import Transform, evaluation_transform
from seqvise.machine import usable_cores
from seqvise.moved import original

FORMAT = 1
WORKERS = 8
"""Most processes that decode where their number is not given."""

Progress = Callable[[int, int], None]
"""Called with the images done so far, those found from an earlier time included, and with the number of all."""


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """The features of a list of images.

    Attributes:
        folder: where they lie.
        images: row n of the store belongs to image n.
        manifest: all that shaped it: the hashes of network and images, and the width.
        shards: each (n, F) float16, mapped; together all rows in their order. The row of a bad image is zero.
        bad: of each image without features, its row and the reason.
    """

    folder: Path
    images: ImageList
    manifest: Mapping[str, Any]
    shards: tuple[NDArray[np.float16], ...]
    bad: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def width(self) -> int:
        """F, the numbers of a feature vector."""
        return int(self.manifest["width"])

    def read(self, rows: Rows) -> NDArray[np.float16]:
        """The features (n, F) of the chosen rows."""
        found = np.empty((len(rows), self.width), np.float16)
        shards, places = np.divmod(rows, int(self.manifest["shard"]))
        for shard in np.unique(shards):
            chosen = shards == shard
            found[chosen] = self.shards[shard][places[chosen]]
        return found

    def matrix(self) -> NDArray[np.float16]:
        """All features (N, F), in memory."""
        return np.concatenate([np.asarray(shard) for shard in self.shards])

    def good(self, rows: Rows) -> Rows:
        """Those of the rows that have features."""
        return rows[~np.isin(rows, list(self.bad))]

    def bad_files(self) -> dict[str, str]:
        """By path below the images' root, why an image has no features."""
        return {self.images.paths[row]: reason for row, reason in sorted(self.bad.items())}


class Decoded(NamedTuple):
    """Images as they come from a decoding process.

    Attributes:
        rows: (n,) int64, of the images that could be read.
        images: (n, 3, H, W) uint8.
        bad: by row, why an image could not be read.
    """

    rows: Tensor
    images: Tensor
    bad: dict[int, str]


class DecodedImages(Dataset[Decoded]):
    """The images of a list as a network reads them, fetched a whole batch at a time."""

    def __init__(self, images: ImageList, transform: Transform, max_pixels: int = MAX_PIXELS) -> None:
        self.images, self.transform, self.max_pixels = images, transform, max_pixels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Sequence[int]) -> Decoded:
        return decode_batch(self.images, rows, lambda _, image: self.transform(image), self.max_pixels)


def decode_batch(
    images: ImageList, rows: Sequence[int], transform: Callable[[int, Any], Tensor], max_pixels: int = MAX_PIXELS
) -> Decoded:
    """Reads the images of the rows. transform: called with the row and the image.

    What cannot be read is left out and told; a batch of nothing else has no images.
    """
    good: dict[int, Tensor] = {}
    bad: dict[int, str] = {}
    for row in rows:
        try:
            good[row] = transform(row, decode(images.file(row), max_pixels))
        except BadImageError as error:
            bad[row] = str(error)
    stacked = torch.stack(list(good.values())) if good else torch.empty(0, dtype=torch.uint8)
    return Decoded(torch.tensor(list(good), dtype=torch.int64), stacked, bad)


def extract(
    images: ImageList,
    network: Network,
    options: ImageOptions,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> FeatureStore:
    """The features of images, from ``<cache>/features/<name>-<hash>``, where those that are not there yet are computed.

    The hash is of the network, its preset, and the images' paths and sizes. Each shard is there whole or not at all: a
    killed extraction goes on with the first that is missing, and a damaged one is made again alone. Processes that ask
    for the same features wait for the one that makes them.

    Args:
        options: name, shard size, batch size and decoding processes.
        device: where the network runs.

    Raises:
        UserError: not one of the images can be read.
    """
    identity = {"format": FORMAT, "network": network.digest, "images": images.digest(), "width": network.features}
    if options.max_pixels not in (MAX_PIXELS, MOST_PIXELS):  # both leave the images of nearly every set as they are
        identity["max_pixels"] = options.max_pixels
    folder = cache / "features" / f"{options.name}-{digest(json.dumps(identity, sort_keys=True))}"
    with locked(folder.with_name(f".{folder.name}.lock")):
        manifest = own_manifest(folder, {**identity, "backbone": original(network.name), "shard": options.shard})
        shards = Shards(folder, len(images), manifest["shard"], manifest["width"])
        _compute(shards, images, network, options, torch.device(device), progress)
    store = FeatureStore(folder, images, manifest, tuple(shards.opened()), shards.bad())
    if len(store.bad) == len(store):
        (path, reason), *_ = store.bad_files().items()
        raise UserError(f"None of the {len(store)} images of {images.root} can be read; the first is {path}: {reason}.")
    return store


def decoding_workers(options: ImageOptions) -> int:
    """How many processes decode images."""
    if options.workers is not None:
        return options.workers
    return min(WORKERS, usable_cores())


def _compute(
    shards: Shards,
    images: ImageList,
    network: Network,
    options: ImageOptions,
    device: torch.device,
    progress: Progress | None,
) -> None:
    missing = shards.missing()
    rows = [row for shard in missing for row in shards.rows(shard)]
    done = len(images) - len(rows)
    if not rows:
        return
    quick = cast(Any, fused(network.backbone.eval(), network.preset.crop))
    backbone = quick.to(device, memory_format=torch.channels_last)
    writer = ShardWriter(shards)
    for decoded in _decoded(images, rows, network, options, device):
        writer.add(decoded.rows.tolist(), _features(backbone, decoded.images, device), decoded.bad)
        done += len(decoded.rows) + len(decoded.bad)
        if progress is not None:
            progress(done, len(images))


def _decoded(
    images: ImageList, rows: Sequence[int], network: Network, options: ImageOptions, device: torch.device
) -> DataLoader[Decoded]:
    size = options.extract_batch_size
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    return DataLoader(
        DecodedImages(images, evaluation_transform(network.preset), options.max_pixels),
        sampler=batches,  # of batches: the data set reads a whole batch at once
        batch_size=None,
        num_workers=min(decoding_workers(options), len(batches)),
        pin_memory=device.type == "cuda",
    )


@torch.inference_mode()
def _features(backbone: torch.nn.Module, images: Tensor, device: torch.device) -> NDArray[np.float16]:
    if not len(images):
        return np.empty((0, 0), np.float16)
    images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    return np.asarray(backbone(images).half().cpu().numpy())
