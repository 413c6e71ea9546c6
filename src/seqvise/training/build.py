"""Builds the trainer, data and task of a config, for every kind of data."""

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
from seqvise.callbacks.checkpoints import BestMetrics, TrainingTime
from seqvise.classes import find_class, find_function
from seqvise.config.options import Config
from seqvise.config.registry import TASK
from seqvise.config.schema import hyperparameters
from seqvise.models.options import ForcingOptions
from seqvise.options import option
from seqvise.runs.directory import RunDirectory
from seqvise.tasks.base import Task
from seqvise.tasks.options import metric_names
from seqvise.training.trainer import build_trainer

BUILDERS = {
    "parallel": "seqvise.training.translation.build",
    "images": "seqvise.training.images.build",
    "text_lines": "seqvise.training.language_model.build",
    "text_labels": "seqvise.training.language_model.build_classifier",
}
"""For each `data.kind` the function that returns its parts, called with the config and the seed."""


@dataclass(frozen=True)
class Parts:
    """The data and the task of a training.

    Attributes:
        data: the batches.
        task: the model with its loss, metrics and optimizer.
        tested: whether the data have a test part.
        write_assets: writes the files that inference needs besides the weights to a folder.
    """

    data: pl.LightningDataModule
    task: pl.LightningModule
    tested: bool
    write_assets: Callable[[Path], None]


@dataclass(frozen=True)
class TrainingJob:
    """The parts, the trainer, and the callbacks of the best validation's metrics and of the training time."""

    parts: Parts
    trainer: pl.Trainer
    best: BestMetrics
    time: TrainingTime


def build_job(config: Config, run: RunDirectory, done: int | None = None) -> TrainingJob:
    """Builds trainer, data and task with the config's seed.

    Args:
        config: the resolved config; its data are acquired, see ``seqvise.training.acquire``.
        run: the run directory.
        done: the step from which training is resumed; None for a new run.

    Raises:
        UserError: a file, a package or a device is missing.
    """
    _quieten(run)
    seed = _seed(config)
    pl.seed_everything(seed, workers=True, verbose=False)
    best, time = BestMetrics(config.monitor.metric, config.monitor.mode), TrainingTime()
    forcing = forcing_of(config) if config.data.kind == "parallel" else None
    callbacks = build_callbacks(config.callbacks, config.schedule, forcing, config.monitor, run.path)
    # The trainer is built first: preparing the data may take minutes, and the machine may lack the device.
    trainer = build_trainer(config, run, [best, time, *callbacks], done)
    return TrainingJob(find_builder(config.data.kind)(config, seed), trainer, best, time)


def find_builder(kind: str) -> Callable[[Config, int], Parts]:
    """The function that returns the parts of a kind of data: of ``BUILDERS``, or ``build`` of the user's own class."""
    if kind not in BUILDERS:
        return cast(Callable[[Config, int], Parts], cast(Any, find_class("data.kind", kind)).build)
    module, _, name = BUILDERS[kind].rpartition(".")
    return cast(Callable[[Config, int], Parts], getattr(import_module(module), name))


@contextmanager
def preparing() -> Iterator[None]:
    """Preserves the state of torch's global generator while data are prepared.

    Initial weights are drawn from it, and must not depend on whether features, vectors or tokens were cached.
    """
    with torch.random.fork_rng(devices=[]):
        yield


def make_task(config: Config, model: nn.Module, seed: int, **arguments: Any) -> pl.LightningModule:
    """Creates the LightningModule that `model.task` names.

    Args:
        config: the resolved config.
        model: the model that is trained.
        seed: the seed of the task's random draws.
        arguments: further arguments of the task.
    """
    make = cast(Any, find_class("model.task", option(config.model, "task"), TASK))
    task: pl.LightningModule = make(
        model=model,
        optimizer=config.optimizer,
        schedule=config.schedule,
        monitor=config.monitor,
        seed=seed,
        **arguments,
    )
    task.save_hyperparameters(hyperparameters(config))
    if config.metrics:  # validate has checked that the task is one that calls them
        functions = (find_function(f"metrics.{index}", path) for index, path in enumerate(config.metrics))
        cast(Task, task).metric_functions = dict(zip(metric_names(config.metrics), functions, strict=True))
    return task


def forcing_of(config: Config) -> ForcingOptions:
    """The model's teacher forcing options; full teacher forcing for models without them."""
    forcing = option(config.model, "teacher_forcing")
    return forcing if isinstance(forcing, ForcingOptions) else ForcingOptions()


def _quieten(run: RunDirectory) -> None:
    """Silences Lightning's own messages, and the messages of processes with rank above 0."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # the report of trainer.profiler
    # The run directory is also the logger's folder, and has other files.
    warnings.filterwarnings("ignore", message="Experiment logs directory .* exists and is not empty")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # The sampler of a resumed run skips the batches that were already used.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
    # A backbone that keeps its batch statistics and the classes of a prior are in eval mode on purpose.
    warnings.filterwarnings("ignore", message="Found .* module.* in eval mode")
    # Weight dropout makes a new recurrent matrix at each step, which the library then copies itself.
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    if not run.writes:
        logging.getLogger().setLevel(logging.WARNING)


def _seed(config: Config) -> int:
    if config.seed is None:
        raise ValueError("A seed must be drawn before processes are started, so that all have the same.")
    return config.seed
