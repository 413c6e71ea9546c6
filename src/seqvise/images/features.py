"""Image features, computed once and stored in shards on disk."""

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
from seqvise.images.backbones import Network, fuse_batch_norms
from seqvise.images.decoding import BadImageError, decode
from seqvise.images.listing import ImageList, Rows
from seqvise.images.options import MAX_PIXELS, MOST_PIXELS, ImageOptions
from seqvise.images.shards import Shards, ShardWriter, read_or_create_manifest
from seqvise.images.transforms import Transform, evaluation_transform
from seqvise.machine import usable_cores
from seqvise.moved import original

FORMAT = 1
MAX_WORKERS = 8
"""Maximum default number of decoding processes."""

Progress = Callable[[int, int], None]
"""Called with the number of completed images, including those of earlier runs, and the total number."""


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """The features of a list of images.

    Attributes:
        images: row n of the store belongs to image n.
        manifest: everything that determines the features: hashes of network and images, and the width.
        shards: memory-mapped arrays (n, F) float16, which together have all rows in order. Rows of bad images are zero.
        bad: row of each image without features -> the reason.
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
        """F, the feature dimension."""
        return int(self.manifest["width"])

    def read(self, rows: Rows) -> NDArray[np.float16]:
        """The features (n, F) of the chosen rows."""
        features = np.empty((len(rows), self.width), np.float16)
        shards, positions = np.divmod(rows, int(self.manifest["shard"]))
        for shard in np.unique(shards):
            in_shard = shards == shard
            features[in_shard] = self.shards[shard][positions[in_shard]]
        return features

    def matrix(self) -> NDArray[np.float16]:
        """All features (N, F), in memory."""
        return np.concatenate([np.asarray(shard) for shard in self.shards])

    def good(self, rows: Rows) -> Rows:
        """The subset of rows with features."""
        return rows[~np.isin(rows, list(self.bad))]

    def bad_files(self) -> dict[str, str]:
        """Path below the images' root -> the reason why the image has no features."""
        return {self.images.paths[row]: reason for row, reason in sorted(self.bad.items())}


class DecodedBatch(NamedTuple):
    """A batch of decoded images.

    Attributes:
        rows: (n,) int64 rows of the readable images.
        images: (n, 3, H, W) uint8.
        bad: row of each unreadable image -> the reason.
    """

    rows: Tensor
    images: Tensor
    bad: dict[int, str]


class DecodedImages(Dataset[DecodedBatch]):
    """Transformed images of a list; an item is a whole batch."""

    def __init__(self, images: ImageList, transform: Transform, max_pixels: int = MAX_PIXELS) -> None:
        self.images, self.transform, self.max_pixels = images, transform, max_pixels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Sequence[int]) -> DecodedBatch:
        return decode_batch(self.images, rows, lambda _, image: self.transform(image), self.max_pixels)


def decode_batch(
    images: ImageList, rows: Sequence[int], transform: Callable[[int, Any], Tensor], max_pixels: int = MAX_PIXELS
) -> DecodedBatch:
    """Decodes the images of the rows. transform: called with the row and the image.

    Unreadable images are listed in ``bad``. If no image is readable, ``images`` is empty.
    """
    good: dict[int, Tensor] = {}
    bad: dict[int, str] = {}
    for row in rows:
        try:
            good[row] = transform(row, decode(images.file(row), max_pixels))
        except BadImageError as error:
            bad[row] = str(error)
    stacked = torch.stack(list(good.values())) if good else torch.empty(0, dtype=torch.uint8)
    return DecodedBatch(torch.tensor(list(good), dtype=torch.int64), stacked, bad)


def extract(
    images: ImageList,
    network: Network,
    options: ImageOptions,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> FeatureStore:
    """Computes the features of images, or loads them from ``<cache>/features/<name>-<hash>``.

    The hash covers the network, its preset, and the images' paths and sizes. Each shard is complete or absent: an
    interrupted extraction resumes with the first missing shard, and only damaged shards are computed again. Other
    processes that need the same features wait.

    Args:
        options: name, shard size, batch size and number of decoding processes.
        device: the network's device.

    Raises:
        UserError: no image can be read.
    """
    identity = {"format": FORMAT, "network": network.digest, "images": images.digest(), "width": network.features}
    if options.max_pixels not in (MAX_PIXELS, MOST_PIXELS):  # nearly no data set has images that these reduce
        identity["max_pixels"] = options.max_pixels
    folder = cache / "features" / f"{options.name}-{digest(json.dumps(identity, sort_keys=True))}"
    with locked(folder.with_name(f".{folder.name}.lock")):
        manifest = read_or_create_manifest(
            folder, {**identity, "backbone": original(network.name), "shard": options.shard}
        )
        shards = Shards(folder, len(images), manifest["shard"], manifest["width"])
        _compute(shards, images, network, options, torch.device(device), progress)
    store = FeatureStore(folder, images, manifest, tuple(shards.opened()), shards.bad())
    if len(store.bad) == len(store):
        (path, reason), *_ = store.bad_files().items()
        raise UserError(f"None of the {len(store)} images of {images.root} can be read; the first is {path}: {reason}.")
    return store


def decoding_workers(options: ImageOptions) -> int:
    """The number of processes that decode images."""
    if options.workers is not None:
        return options.workers
    return min(MAX_WORKERS, usable_cores())


def _compute(
    shards: Shards,
    images: ImageList,
    network: Network,
    options: ImageOptions,
    device: torch.device,
    progress: Progress | None,
) -> None:
    rows = [row for shard in shards.missing() for row in shards.rows(shard)]
    done = len(images) - len(rows)
    if not rows:
        return
    fused = cast(Any, fuse_batch_norms(network.backbone.eval(), network.preset.crop))
    backbone = fused.to(device, memory_format=torch.channels_last)
    writer = ShardWriter(shards)
    for decoded in _decoded(images, rows, network, options, device):
        writer.add(decoded.rows.tolist(), _features(backbone, decoded.images, device), decoded.bad)
        done += len(decoded.rows) + len(decoded.bad)
        if progress is not None:
            progress(done, len(images))


def _decoded(
    images: ImageList, rows: Sequence[int], network: Network, options: ImageOptions, device: torch.device
) -> DataLoader[DecodedBatch]:
    size = options.extract_batch_size
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    return DataLoader(
        DecodedImages(images, evaluation_transform(network.preset), options.max_pixels),
        sampler=batches,  # an item of the data set is a whole batch
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
