"""All that training needs, built from a config whatever its data are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import nn

from seqvise.callbacks.build import build_callbacks
from seqvise.callbacks.checkpoints import BestMetrics
from seqvise.config.options import Config
from seqvise.config.registry import TASK, find_class
from seqvise.config.schema import hyperparameters
from seqvise.models.options import ForcingOptions
from seqvise.runs.directory import RunDirectory
from seqvise.runs.model import option
from seqvise.training.download import fetch_missing
from seqvise.training.trainer import build_trainer

BUILDERS = {
    "parallel": "seqvise.training.translation",
    "images": "seqvise.training.images",
    "text_lines": "seqvise.training.language_model",
    "text_labels": "seqvise.training.classification",
}
"""For each `data.kind` the module whose ``build(config, seed)`` gives its parts."""


@dataclass(frozen=True)
class Parts:
    """What one kind of data brings to training.

    Attributes:
        data: its batches.
        task: what is optimised and measured on them.
        tested: whether there is a test part.
        write_assets: puts into a folder what the trained model needs beside its weights.
    """

    data: pl.LightningDataModule
    task: pl.LightningModule
    tested: bool
    write_assets: Callable[[Path], None]


@dataclass(frozen=True)
class TrainingJob:
    """The parts, the trainer, and who remembers the best validation."""

    parts: Parts
    trainer: pl.Trainer
    best: BestMetrics


def build_job(config: Config, run: RunDirectory, done: int | None = None) -> TrainingJob:
    """Builds trainer, data and task, all from the config's seed.

    Args:
        config: every choice.
        run: where it writes.
        done: optimizer steps behind which training goes on; None for a new run.

    Raises:
        UserError: a file, a package or a device is not there.
    """
    _quieten(run)
    seed = _seed(config)
    pl.seed_everything(seed, workers=True, verbose=False)
    best = BestMetrics(config.monitor.metric, config.monitor.mode)
    forcing = forcing_of(config) if config.data.kind == "parallel" else None
    callbacks = build_callbacks(config.callbacks, config.schedule, forcing, config.monitor, run.path)
    # Before the data, which may take minutes: the machine may lack what the trainer node asks for.
    trainer = build_trainer(config, run, [best, *callbacks], done)
    with preparing():
        fetch_missing(config)
    build = cast(Callable[[Config, int], Parts], import_module(BUILDERS[config.data.kind]).build)
    return TrainingJob(build(config, seed), trainer, best)


@contextmanager
def preparing() -> Iterator[None]:
    """Keeps torch's global generator as it is while data are prepared.

    Initial weights are drawn from it. Whether features, vectors or tokens were in the cache must not change them.
    """
    with torch.random.fork_rng(devices=[]):
        yield


def make_task(config: Config, model: nn.Module, seed: int, **own: Any) -> pl.LightningModule:
    """The LightningModule that `model.task` names.

    Args:
        config: every choice.
        model: what it trains.
        seed: of its random draws.
        own: its other arguments.
    """
    make = cast(Any, find_class("model.task", option(config.model, "task"), TASK))
    task: pl.LightningModule = make(
        model=model, optimizer=config.optimizer, schedule=config.schedule, monitor=config.monitor, seed=seed, **own
    )
    task.save_hyperparameters(hyperparameters(config))
    return task


def forcing_of(config: Config) -> ForcingOptions:
    """The model's teacher forcing, or that of a model that always reads the reference."""
    forcing = option(config.model, "teacher_forcing")
    return forcing if isinstance(forcing, ForcingOptions) else ForcingOptions()


def _quieten(run: RunDirectory) -> None:
    """Leaves out what Lightning says of itself, and what the other processes would repeat."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # The run's folder is the logger's folder, and holds more than the logger's files.
    warnings.filterwarnings("ignore", message="Experiment logs directory .* exists and is not empty")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # A run that goes on passes over the batches that it has seen by its own sampler.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
    # A backbone keeps its batch statistics, and the classes of a prior drop nothing.
    warnings.filterwarnings("ignore", message="Found .* module.* in eval mode")
    # A dropped recurrent matrix is a new one at each step; the library lays it beside the others by itself.
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    if not run.writes:
        logging.getLogger().setLevel(logging.WARNING)


def _seed(config: Config) -> int:
    if config.seed is None:
        raise ValueError("A seed must be drawn before processes are started, so that all have the same.")
    return config.seed
