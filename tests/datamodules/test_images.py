"""Batches of images: each image once, in an order that depends on seed and epoch."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqvise.datamodules.images import (
    ImageBatch,
    ImageDataModule,
    ImageSampler,
    batches_in_order,
    feature_module,
    image_module,
    random_batches,
)
from seqvise.errors import UserError
from seqvise.images.backbones import load_network
from seqvise.images.decoding import decode
from seqvise.images.features import FeatureStore, extract
from seqvise.images.listing import find_images
from seqvise.images.options import AugmentOptions, ImageOptions
from seqvise.images.transforms import Preset, apply_seeded, evaluation_transform, training_transform
from tests.images.draw import draw_folder, image_options

pytest.importorskip("torchvision")

PRESET = Preset(20, 16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, count in (("train", 8), ("val", 3), ("test", 2)):
        draw_folder(tmp_path / "images", count, part)
    return tmp_path / "images"


@pytest.fixture
def options(root: Path) -> ImageOptions:
    return image_options(root, train="train", valid="val", test="test", batch_size=5, valid_batch_size=4)


def stored(options: ImageOptions, cache: Path) -> FeatureStore:
    return extract(find_images(options).images, load_network(options), options, cache)


def rows_of(batches: object) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 300), st.integers(1, 40), st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_every_row_once_and_as_many_batches_on_every_rank(
    count: int, size: int, world: int, seed: int, epoch: int
) -> None:
    rows = np.sort(np.random.default_rng(count).choice(1000, count, replace=False))
    drawn_at_random = [random_batches(rows, size, seed, epoch, rank, world) for rank in range(world)]
    for ranks in (drawn_at_random, [batches_in_order(rows, size, rank, world) for rank in range(world)]):
        assert len({len(batches) for batches in ranks}) == 1
        batched = np.concatenate([batch for batches in ranks for batch in batches])
        assert sorted(batched.tolist()) == rows.tolist()
        assert all(len(batch) for batches in ranks for batch in batches)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    rows = np.arange(50)
    sampler = ImageSampler(rows, 7, 3, 0, 1)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert [batch.epoch for batch in second] == [1] * 8
    assert [batch.rows for batch in second] != [batch.rows for batch in first]
    assert len(sampler) == 8
    assert [batch.rows for batch in ImageSampler(rows, 7, 4, 0, 1)] != [batch.rows for batch in first]


def test_two_processes_share_the_batches_of_one() -> None:
    rows = np.arange(100)
    alone = random_batches(rows, 10, 7, 2)
    shared = [random_batches(rows, 5, 7, 2, rank, 2) for rank in (0, 1)]
    assert [sorted(batch.tolist()) for batch in alone] == [
        sorted(np.concatenate(parts).tolist()) for parts in zip(*shared, strict=True)
    ]


def test_batches_hold_the_features_and_labels_of_their_rows(options: ImageOptions, tmp_path: Path) -> None:
    store = stored(options, tmp_path)
    split = find_images(options).split(options)
    module = feature_module(split, store, options, seed=1)
    batches = list(module.train_dataloader())
    assert Counter(row for rows in rows_of(batches) for row in rows) == Counter(split.rows["train"].tolist())
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 4]
    for batch in batches:
        np.testing.assert_array_equal(batch.inputs.numpy(), store.matrix()[batch.rows.numpy()].astype(np.float32))
        names = [split.images.names[label] for label in batch.labels.tolist()]
        assert names == [split.images.paths[row].split("/")[1] for row in batch.rows.tolist()]


def test_held_out_labels_have_separate_loaders(options: ImageOptions, tmp_path: Path) -> None:
    options = replace(options, held_out=["green"])
    store = stored(options, tmp_path)
    split = find_images(options).split(options)
    module = feature_module(split, store, options, seed=1)
    for loaders, sizes in ((module.val_dataloader(), [6, 11]), (module.test_dataloader(), [4, 2])):
        labels = [np.concatenate([batch.labels.numpy() for batch in loader]) for loader in loaders]
        assert [len(values) for values in labels] == sizes
        assert set(labels[0].tolist()) == {0, 2}
        assert set(labels[1].tolist()) == {1}
    assert {label for batch in module.train_dataloader() for label in batch.labels.tolist()} == {0, 2}


def test_images_without_features_are_in_no_batch(options: ImageOptions, root: Path, tmp_path: Path) -> None:
    (root / "train/red/0.png").write_bytes(b"")
    (root / "val/blue/1.png").write_bytes(b"junk")
    split = find_images(options).split(options)
    module = feature_module(split, stored(options, tmp_path), options, seed=1)
    assert sum(len(batch) for batch in module.train_dataloader()) == 23
    (valid,) = module.val_dataloader()
    assert sum(len(batch) for batch in valid) == 8


def test_images_are_changed_in_training_and_not_in_validation(options: ImageOptions) -> None:
    split = find_images(options).split(options)
    module = image_module(split, PRESET, options, seed=9)
    loader = module.train_dataloader()
    loader.sampler.set_epoch(2)  # type: ignore[attr-defined]
    batch = next(iter(loader))
    assert batch.inputs.dtype == torch.uint8
    augmented, plain = training_transform(PRESET, options.augment), evaluation_transform(PRESET)
    for image, row in zip(batch.inputs, batch.rows.tolist(), strict=True):
        decoded = decode(split.images.file(row))
        assert torch.equal(image, apply_seeded(augmented, decoded, (9, 2, row)))
        assert not torch.equal(image, plain(decoded))
    (valid,) = module.val_dataloader()
    for batch in valid:
        for image, row in zip(batch.inputs, batch.rows.tolist(), strict=True):
            assert torch.equal(image, plain(decode(split.images.file(row))))


def test_decoding_processes_do_not_change_the_batches(options: ImageOptions) -> None:
    split = find_images(options).split(options)
    alone, together = (
        [batch.inputs for batch in image_module(split, PRESET, replace(options, workers=workers), 1).train_dataloader()]
        for workers in (0, 2)
    )
    assert all(torch.equal(left, right) for left, right in zip(alone, together, strict=True))


def test_unreadable_images_are_skipped_and_named(
    options: ImageOptions, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "train/red/0.png").write_bytes(b"")
    split = find_images(options).split(options)
    module = image_module(split, PRESET, options, seed=1)
    with caplog.at_level(logging.WARNING):
        rows = [row for _ in range(2) for batch_rows in rows_of(module.train_dataloader()) for row in batch_rows]
    assert len(rows) == 2 * 23
    assert caplog.text.count("red/0.png is skipped: the file is empty (1 so far)") == 1


def test_a_batch_without_readable_images_is_an_error(options: ImageOptions, root: Path) -> None:
    for path in (root / "val").rglob("*.png"):
        path.write_bytes(b"")
    (valid,) = image_module(find_images(options).split(options), PRESET, options, 1).val_dataloader()
    with pytest.raises(UserError, match="None of the 4 images of a batch"):
        next(iter(valid))


def test_a_missing_test_part_is_reported(options: ImageOptions) -> None:
    options = replace(options, test=None)
    module = image_module(find_images(options).split(options), PRESET, options, 1)
    with pytest.raises(UserError, match=r"no test part: set data\.test, or test=false"):
        module.test_dataloader()


def test_a_batch_moves_and_a_module_pickles(options: ImageOptions) -> None:
    batch = ImageBatch(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.arange(2))
    assert batch.to("meta").inputs.device.type == batch.to("meta").rows.device.type == "meta"
    module = image_module(find_images(options).split(options), PRESET, replace(options, augment=AugmentOptions()), 1)
    copied = pickle.loads(pickle.dumps(module.training))
    assert copied.images.paths == module.split.images.paths


class Classifier(pl.LightningModule):
    """A minimal task."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.batches: list[list[int]] = []

    def training_step(self, batch: ImageBatch, _: int) -> Tensor:
        self.batches.append(batch.rows.tolist())
        return nn.functional.cross_entropy(self.head(batch.inputs), batch.labels)

    def validation_step(self, batch: ImageBatch, _: int, dataloader_idx: int = 0) -> None:
        self.log("right", (self.head(batch.inputs).argmax(1) == batch.labels).float().mean(), add_dataloader_idx=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.1)


def fit(module: ImageDataModule, epochs: int, tmp_path: Path) -> Classifier:
    torch.manual_seed(0)
    task = Classifier()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, module)
    assert trainer.callback_metrics["right"] == 1
    return task


def test_lightning_trains_on_it_and_each_epoch_has_a_different_order(options: ImageOptions, tmp_path: Path) -> None:
    torch.manual_seed(5)
    store = stored(options, tmp_path)
    split = find_images(options).split(options)
    task = fit(feature_module(split, store, options, seed=4), 20, tmp_path)
    for epoch in (0, 1, 19):
        expected = [batch.tolist() for batch in random_batches(split.rows["train"], 5, 4, epoch)]
        assert task.batches[5 * epoch : 5 * epoch + 5] == expected
