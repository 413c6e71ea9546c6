"""Builds the data, model and task that embed images in the space of word vectors."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import nn

from seqvise.config.options import Config
from seqvise.datamodules.images import ImageDataModule, feature_module, image_module
from seqvise.errors import UserError
from seqvise.files import atomic_write, digest_file, write_text
from seqvise.images.backbones import Network, layer_groups, load_network
from seqvise.images.features import FeatureStore, extract
from seqvise.images.label_space import LABELS_FOLDER, WordSpace, read_word_space, split_images
from seqvise.images.listing import SEEN_LABELS, ImageParts, ImageSplit, find_images
from seqvise.images.options import is_weights_file
from seqvise.options import option
from seqvise.paths import cache_folder
from seqvise.runs.directory import NETWORK
from seqvise.runs.model import build_image_model
from seqvise.tasks.zero_shot import ZeroShot
from seqvise.training.build import Parts, make_task, preparing
from seqvise.training.image_features import counting_images, extraction_device
from seqvise.training.pretrained_head import load_head

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ImageJob:
    """The images, labels and network of an image run.

    Attributes:
        config: the resolved config.
        seed: the seed of the batch order and of the weights.
        parts: the image files.
        split: the images of each use, e.g. training, validation, held-out labels.
        words: the vectors of labels and words.
        network: the image network.
    """

    config: Config
    seed: int
    parts: ImageParts
    split: ImageSplit
    words: WordSpace
    network: Network

    def features(self) -> FeatureStore:
        """The features of all images; missing features are computed."""
        device = extraction_device(self.config.trainer.accelerator)
        cache = cache_folder(self.config.paths)
        with preparing(), counting_images() as progress:
            store = extract(self.parts.images, self.network, self.config.data, cache, device, progress)
        if store.bad:
            (path, reason), *_ = store.bad_files().items()
            log.warning("%d images cannot be read and are skipped, e.g. %s: %s.", len(store.bad), path, reason)
        return store

    def protocol(self) -> ZeroShot:
        """The zero-shot evaluation: labels, seen and held-out classes, WordNet and calibration."""
        names = self.split.images.names
        rows = [self.words.labels.names.index(name) for name in names]
        calibration = option(self.config.model, "calibration")
        wordnet = self.words.wordnet
        nouns = None if wordnet is None else self.words.nouns
        labels = self.words.labels.chosen(rows)
        return ZeroShot(labels, self.split.seen, self.split.held_out, wordnet, nouns, calibration)

    def save(self, folder: Path) -> None:
        """Writes labels and words, and the names of the labels seen in training."""
        self.words.save(folder)
        names = [self.split.images.names[label] for label in self.split.seen]
        write_text(folder / LABELS_FOLDER / SEEN_LABELS, "".join(f"{name}\n" for name in names))

    def summary(self) -> dict[str, str]:
        """The held-out labels, for ``metrics.json``. A star marks ImageNet classes and their hypernyms."""
        known, labels = self.words.known_synsets(), self.words.labels
        titles = []
        for label in self.split.held_out:
            row = labels.names.index(self.split.images.names[label])
            titles.append(labels.titles[row] + ("*" if labels.synsets[row] in known else ""))
        return {"held_out": ", ".join(titles)} if titles else {}


def read_job(config: Config, seed: int) -> ImageJob:
    """Lists the images, looks up the vectors of their labels, and loads the network.

    Raises:
        UserError: a file, a package or the vector of a label is missing.
    """
    if not hasattr(config.model, "calibration"):
        raise UserError("data.kind is 'images', but this model does not predict word vectors: choose model=devise.")
    with preparing():
        parts = find_images(config.data)
        words = read_word_space(config, parts.images.names)
        split = split_images(config.data, parts, words.labels.names)
    return ImageJob(config, seed, parts, split, words, load_network(config.data, seed))


def build(config: Config, seed: int) -> Parts:
    """Computes missing features, and builds the model and its task.

    Raises:
        UserError: a file, a package or the vector of a label is missing.
    """
    job = read_job(config, seed)
    data = _data(job)

    def write_assets(folder: Path) -> None:
        job.save(folder)
        _copy_network(job.config.data.weights, folder, cache_folder(job.config.paths))

    return Parts(data, _task(job), "test" in job.split.rows, write_assets)


def _copy_network(weights: str | None, assets: Path, cache: Path) -> None:
    """Copies the network's weights file into a run. Runs on the cache's file system share a hard link."""
    if not weights or not is_weights_file(weights):
        return
    file, target = Path(weights), assets / NETWORK / Path(weights).name
    if target.exists() and target.samefile(file):
        return
    checksum = digest_file(file)
    cached = cache / "networks" / f"{checksum}{file.suffix}"
    if not cached.is_file() or digest_file(cached) != checksum:  # a damaged file must not get into another run
        with atomic_write(cached) as temporary:
            shutil.copyfile(file, temporary)
    with atomic_write(target) as temporary:
        try:
            temporary.hardlink_to(cached)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(cached, temporary)


def _data(job: ImageJob) -> ImageDataModule:
    options = job.config.data
    if options.precompute:
        return feature_module(job.split, job.features(), options, job.seed)
    return image_module(job.split, job.network.preset, options, job.seed)


def _task(job: ImageJob) -> pl.LightningModule:
    """The LightningModule that `model.task` names."""
    task = make_task(job.config, _model(job), job.seed, protocol=job.protocol())
    cast(Any, task).extra_metrics = job.summary()
    return task


def _model(job: ImageJob) -> nn.Module:
    groups = [] if job.config.data.precompute else layer_groups(job.network.backbone)
    model = build_image_model(job.config, job.network, job.words.labels.dim, groups)
    prior = getattr(model, "prior", None)
    if prior is not None:
        cast(Any, model).set_classes(torch.from_numpy(job.words.classes(len(prior.vectors))))
    if (head := option(job.config.model, "head")) is not None:
        load_head(model, Path(head), job.words.labels, job.config)
    return model
