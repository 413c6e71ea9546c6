"""Synthetic labels and features: the features of an image are a linear map of its label's vector, with noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from seqvise.datamodules.images import FeatureDataset, ImageDataModule
from seqvise.images.labels import LabelTable
from seqvise.images.listing import ImageList, ImageSplit
from seqvise.images.options import ImageOptions
from seqvise.images.wordnet import WordNet
from seqvise.tasks.zero_shot import ZeroShot

LABELS, HELD_OUT, WIDTH, DIM = 10, (2, 5, 8), 16, 6
SYNSETS = tuple(f"n{number:08}" for number in range(LABELS))


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def label_table(count: int = LABELS) -> LabelTable:
    names = tuple(f"label_{number}" for number in range(count))
    return LabelTable(names, names, SYNSETS[:count], unit(np.random.default_rng(0).normal(size=(count, DIM))))


def wordnet() -> WordNet:
    """A tree in which label n is the parent of labels 2 n + 1 and 2 n + 2."""
    lemmas = {synset: f"label_{number}" for number, synset in enumerate(SYNSETS)}
    return WordNet(lemmas, [(SYNSETS[(child - 1) // 2], SYNSETS[child]) for child in range(1, LABELS)])


def protocol(calibration: float = 0.0, held_out: Sequence[int] = HELD_OUT) -> ZeroShot:
    held_out_labels = np.array(held_out, np.int64)
    return ZeroShot(
        label_table(), np.setdiff1d(np.arange(LABELS), held_out_labels), held_out_labels, wordnet(), None, calibration
    )


class Store:
    """Replaces a FeatureStore."""

    def __init__(self, features: NDArray[np.float16]) -> None:
        self.features = features

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """The features (n, F) of the selected rows."""
        return self.features[rows]


def features(labels: NDArray[np.int64], noise: float = 0.1) -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    projection = random.normal(size=(DIM, WIDTH))
    clean = label_table().vectors[labels] @ projection
    return np.asarray(clean + noise * random.normal(size=clean.shape), np.float32)


def data_module(
    images_per_label: int = 12, batch_size: int = 16, held_out: Sequence[int] = HELD_OUT
) -> ImageDataModule:
    """``images_per_label`` images of each label, of which three are in the validation and three in the test part."""
    labels = np.repeat(np.arange(LABELS), images_per_label)
    paths = tuple(f"{label}/{row}.png" for row, label in enumerate(labels.tolist()))
    images = ImageList(Path("nowhere"), paths, labels.astype(np.int32), label_table().names)
    index, is_held_out = np.arange(len(labels)) % images_per_label, np.isin(labels, held_out)
    parts = {"train": index >= 6, "valid": index < 3, "test": (index >= 3) & (index < 6)}
    rows = {name: np.flatnonzero(in_part & ~is_held_out) for name, in_part in parts.items()}
    rows["valid_held_out"] = np.flatnonzero(is_held_out & ~parts["test"])
    rows["test_held_out"] = np.flatnonzero(is_held_out & parts["test"])
    split = ImageSplit(images, np.array(held_out, np.int32), rows)
    store = Store(features(labels).astype(np.float16))
    dataset = FeatureDataset(store, torch.from_numpy(labels))  # type: ignore[arg-type]
    options = ImageOptions(root="nowhere", batch_size=batch_size)
    return ImageDataModule(split, dataset, dataset, options, 0, seed=0)
