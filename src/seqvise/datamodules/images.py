"""Images, or their stored features, as batches for Lightning."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqvise.datamodules.base import ProcessDataModule
from seqvise.datamodules.packing import Rows
from seqvise.datamodules.sampler import (
    BatchSize,
    EpochBatches,
    EpochRows,
    counted,
    cut_into_batches,
    share,
    training_progress,
)
from seqvise.errors import UserError
from seqvise.images.features import FeatureStore, decode_batch, decoding_workers
from seqvise.images.listing import ImageList, ImageSplit
from seqvise.images.options import MAX_PIXELS, ImageOptions
from seqvise.images.transforms import Preset, Transform, apply_seeded, evaluation_transform, training_transform
from seqvise.models.interface import _Tensors

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ImageBatch(_Tensors):
    """Images or their features, with labels.

    Attributes:
        inputs: (B, F) float32 features, or (B, 3, H, W) uint8 images.
        labels: (B,) int64, indices into the label names of the split.
        rows: (B,) int64, indices into the images of the split.
    """

    inputs: Tensor
    labels: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return self.labels.shape[0]


class FeatureDataset(Dataset[ImageBatch]):
    """Stored features; an item is a whole batch."""

    def __init__(self, store: FeatureStore, labels: Tensor) -> None:
        self.store, self.labels = store, labels

    def __getitem__(self, batch: EpochRows) -> ImageBatch:
        rows = torch.tensor(batch.rows)
        features = self.store.read(np.array(batch.rows, np.int64)).astype(np.float32)
        return ImageBatch(torch.from_numpy(features), self.labels[rows], rows)


class DecodedDataset(Dataset[ImageBatch]):
    """Images decoded from their files; an item is a whole batch.

    Unreadable images are skipped, named and counted in the log.

    Args:
        seed: seed of random transforms; None for a deterministic transform.
        max_pixels: see ``decode``.
    """

    def __init__(self, images: ImageList, transform: Transform, seed: int | None, max_pixels: int = MAX_PIXELS) -> None:
        self.images, self.transform, self.seed, self.max_pixels = images, transform, seed, max_pixels
        self.labels = torch.from_numpy(images.labels.astype(np.int64))
        self.bad: set[int] = set()

    def __getitem__(self, batch: EpochRows) -> ImageBatch:
        def transformed(row: int, image: Any) -> Tensor:
            if self.seed is None:
                return self.transform(image)
            return apply_seeded(self.transform, image, (self.seed, batch.epoch, row))

        decoded = decode_batch(self.images, batch.rows, transformed, self.max_pixels)
        for row, reason in decoded.bad.items():
            if row not in self.bad:
                self.bad.add(row)
                logger.warning("%s is skipped: %s (%d so far).", self.images.file(row), reason, len(self.bad))
        if not len(decoded.rows):
            raise UserError(
                f"None of the {len(batch.rows)} images of a batch can be read, for example "
                f"{self.images.file(batch.rows[0])}: see the log for the reasons, and remove them from data.root."
            )
        return ImageBatch(decoded.images, self.labels[decoded.rows], decoded.rows)


def random_batches(rows: Rows, size: int, seed: int, epoch: int, rank: int = 0, world: int = 1) -> list[Rows]:
    """The batches of one process in an epoch, a pure function of the arguments.

    Every row is in exactly one batch of one process, and all processes have the same number of batches.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return [share(batch, rank, world) for batch in _cut(order, size, world)]


def batches_in_order(rows: Rows, size: int, rank: int = 0, world: int = 1) -> list[Rows]:
    """The batches of one process for validation and test: every row once."""
    return [share(batch, rank, world) for batch in _cut(rows, size, world)]


def _cut(order: Rows, size: int, world: int) -> list[Rows]:
    # With a number of images as batch size, lengths are not used.
    return cut_into_batches(order, np.empty((0, 2), np.int32), BatchSize(size), world)


class ImageSampler(EpochBatches[EpochRows]):
    """Batches of rows with their epoch.

    Args:
        size: images per process and batch.
        seed: seed of a random order, different in each epoch; None for the order of the rows.
        rank, world: index of this process, and number of processes.
    """

    def __init__(self, rows: Rows, size: int, seed: int | None, rank: int, world: int) -> None:
        self.rows, self.size, self.seed = rows, size, seed
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return len(batches_in_order(self.rows, self.size, self.rank, self.world))

    def __iter__(self) -> Iterator[EpochRows]:
        return (EpochRows(self.epoch, batch.tolist()) for batch in self.remaining())

    def _batches(self) -> list[Rows]:
        if self.seed is None:
            return batches_in_order(self.rows, self.size, self.rank, self.world)
        return random_batches(self.rows, self.size, self.seed, self.epoch, self.rank, self.world)


class ImageDataModule(ProcessDataModule):
    """Images; training batches are in random order, others in the order of the list.

    Held-out labels have a separate loader for validation and test.

    Args:
        evaluation: data set of validation and test batches; the same as ``training`` if no transform is random.
        options: the `data` node; its batch sizes are used.
        seed: seed of the order of batches, which depends on the seed and the epoch alone.
    """

    def __init__(
        self,
        split: ImageSplit,
        training: Dataset[ImageBatch],
        evaluation: Dataset[ImageBatch],
        options: ImageOptions,
        workers: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.split, self.options, self.workers, self.seed = split, options, workers, seed
        self.training, self.evaluation = training, evaluation

    def train_dataloader(self) -> DataLoader[ImageBatch]:
        """This process's training batches."""
        loader = self._loader(self.training, "train", self.options.batch_size, self.seed)
        cast(ImageSampler, loader.sampler).start_at(training_progress(self.trainer))
        return counted(loader, self.trainer)

    def val_dataloader(self) -> list[DataLoader[ImageBatch]]:
        """This process's validation batches: one loader for seen labels, and one for held-out labels if any."""
        return self._evaluation("valid")

    def test_dataloader(self) -> list[DataLoader[ImageBatch]]:
        """This process's test batches: one loader for seen labels, and one for held-out labels if any.

        Raises:
            UserError: there is no test part.
        """
        if "test" not in self.split.rows:
            raise UserError(f"The images '{self.options.name}' have no test part: set data.test, or test=false.")
        return self._evaluation("test")

    def _evaluation(self, part: str) -> list[DataLoader[ImageBatch]]:
        parts = [part, *(name for name in (f"{part}_held_out",) if len(self.split.rows[name]))]
        return [self._loader(self.evaluation, name, self.options.valid_batch_size, None) for name in parts]

    def _loader(self, dataset: Dataset[ImageBatch], part: str, size: int, seed: int | None) -> DataLoader[ImageBatch]:
        (rank, world), rows = self.rank_and_world(), self.split.rows[part]
        if len(rows) < world:
            raise UserError(
                f"The images '{self.options.name}' have {len(rows)} left for {part}, but {world} processes need one "
                f"each: add images, or set trainer.devices to fewer."
            )
        return self.loader(dataset, ImageSampler(rows, size, seed, rank, world))


def feature_module(split: ImageSplit, store: FeatureStore, options: ImageOptions, seed: int) -> ImageDataModule:
    """The data module of stored features; images without features are in no part."""
    rows = {part: store.good(rows) for part, rows in split.rows.items()}
    dataset = FeatureDataset(store, torch.from_numpy(split.images.labels.astype(np.int64)))
    return ImageDataModule(replace(split, rows=rows), dataset, dataset, options, 0, seed)


def image_module(split: ImageSplit, preset: Preset, options: ImageOptions, seed: int) -> ImageDataModule:
    """The data module of images, with random transforms in training."""
    training = DecodedDataset(split.images, training_transform(preset, options.augment), seed, options.max_pixels)
    evaluation = DecodedDataset(split.images, evaluation_transform(preset), None, options.max_pixels)
    return ImageDataModule(split, training, evaluation, options, decoding_workers(options), seed)
