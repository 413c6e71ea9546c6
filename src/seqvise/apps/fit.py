"""Building everything that a config names, training it, and testing it."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console
from rich.table import Table
from torch import nn

from seqvise.apps.folders import cache_folder
from seqvise.callbacks.banner import banner, survey
from seqvise.callbacks.build import build_callbacks
from seqvise.config.classes import TASK, find_class
from seqvise.config.hyperparameters import hyperparameters
from seqvise.config.options import Config
from seqvise.corpus.prepare import prepare_corpus
from seqvise.corpus.report import Report
from seqvise.corpus.store import TokenStore
from seqvise.corpus.vocabulary import Vocabulary
from seqvise.datamodules.parallel import ParallelDataModule
from seqvise.errors import UserError
from seqvise.models.options import ForcingOptions
from seqvise.runs.best import BestMetrics
from seqvise.runs.directory import RunDirectory
from seqvise.runs.environment import device_name, environment
from seqvise.runs.model import build_model, option
from seqvise.runs.trainer import build_trainer
from seqvise.vectors.initialise import check_files, initial_vectors

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """All that training needs, built."""

    store: TokenStore
    data: ParallelDataModule
    task: pl.LightningModule
    trainer: pl.Trainer
    best: BestMetrics


def fit(config: Config, directory: Path) -> dict[str, float | str | None]:
    """Trains and tests what the config says, and records it.

    Args:
        config: every choice; its seed is a number.
        directory: the run's folder.

    Returns:
        the content of ``metrics.json``; empty after a dry run.

    Raises:
        UserError: a file, a package or a device is not there.
    """
    run = RunDirectory(directory)
    with run.recorded():
        run.write_config(config)
        job = build_job(config, run)
        if config.dry_run:
            show_plan(job)
            return {}
        run.write_environment(environment(job.trainer))
        run.write_assets(job.store.source, job.store.target)
        metrics = train(config, job)
        run.write_metrics(metrics)
    if run.writes:
        show_results(run, config, metrics)
    return metrics


def build_job(config: Config, run: RunDirectory) -> Job:
    """Prepares the corpus and builds model, task, callbacks and trainer, all from the config's seed."""
    _quieten(run)
    seed = _seed(config)
    pl.seed_everything(seed, workers=True, verbose=False)
    best = BestMetrics(config.monitor.metric, config.monitor.mode)
    callbacks = build_callbacks(config.callbacks, config.schedule, _forcing(config), config.monitor, run.path)
    # Before the corpus, which may take minutes: the machine may lack what the trainer node asks for.
    trainer = build_trainer(config, run, [best, *callbacks])
    check_files(config.vectors, option(config.model, "embedding"))
    store = prepare_corpus(config.data, config.tokenizer, cache_folder(config.paths), _log_report)
    model = build_model(config, len(store.source.vocabulary), len(store.target.vocabulary))
    load_vectors(model, config, store)
    data = ParallelDataModule(store, config.data, seed)
    return Job(store, data, build_task(config, model, store, seed), trainer, best)


def build_task(config: Config, model: nn.Module, store: TokenStore, seed: int) -> pl.LightningModule:
    """The LightningModule that `model.task` names."""
    make = cast(Any, find_class("model.task", option(config.model, "task"), TASK))
    shown = max(config.callbacks.samples, config.callbacks.attention_maps)
    task = make(
        model=model,
        loss=config.loss,
        optimizer=config.optimizer,
        schedule=config.schedule,
        forcing=_forcing(config),
        monitor=config.monitor,
        store=store,
        seed=seed,
        samples=shown,
    )
    task.save_hyperparameters(hyperparameters(config))
    return cast(pl.LightningModule, task)


def load_vectors(model: nn.Module, config: Config, store: TokenStore) -> None:
    """Puts the word vectors of the `vectors` node into the model, and says what was missing."""
    matrices = {side: _side_vectors(config, store, side) for side in ("source", "target")}
    if any(matrix is not None for matrix in matrices.values()):
        if not hasattr(model, "load_word_vectors"):
            raise UserError(
                f"vectors={config.vectors.name}, but {type(model).__name__} has no load_word_vectors: "
                "choose vectors=none, or write it as seqvise.models.recurrent.Recurrent does."
            )
        cast(Any, model).load_word_vectors(matrices["source"], matrices["target"])


def train(config: Config, job: Job) -> dict[str, float | str | None]:
    """Fits and tests, and gives the results as one flat object."""
    started = time.perf_counter()
    _fit(job)
    seconds = time.perf_counter() - started
    return {
        **job.best.metrics,
        **_test(config, job),
        **{f"signature/{name}": text for name, text in getattr(job.task, "signatures", {}).items()},
        "epochs": job.trainer.current_epoch,
        "steps": job.trainer.global_step,
        "seconds": round(seconds, 1),
        "parameters": sum(weights.numel() for weights in job.task.parameters()),
        "device": device_name(job.trainer.strategy.root_device),
        "world_size": job.trainer.world_size,
        "precision": str(job.trainer.precision),
        "seed": config.seed,
    }


def _fit(job: Job) -> None:
    try:
        job.trainer.fit(job.task, job.data)
    except (MisconfigurationException, ValueError) as error:
        # Lightning refuses with a ValueError an interval that is longer than the epoch, which only now is known.
        if isinstance(error, ValueError) and "val_check_interval" not in str(error):
            raise
        told = " ".join(str(error).split())
        raise UserError(f"Lightning refuses this combination of trainer.* keys: {told}") from error


def show_plan(job: Job) -> None:
    """Prints the derived numbers of a training that is not started."""
    configured = cast(Any, job.task.configure_optimizers())
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    print(banner(survey(job.trainer, job.task, job.data.train_dataloader(), optimizer)))


def show_results(run: RunDirectory, config: Config, metrics: Mapping[str, float | str | None]) -> None:
    """Prints some translations, the metrics, and last where the run is."""
    console = Console(soft_wrap=True, highlight=False)
    samples = run.path / "samples.txt"
    if samples.is_file():
        console.print(samples.read_text(encoding="utf-8"), markup=False)
    table = Table("metric", "value")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    if config.logger and "TensorBoard" in str(config.logger.get("_target_")):
        console.print(f"curves: tensorboard --logdir {run.path}", markup=False)
    console.print(f"run: {run.path}", markup=False)


def _side_vectors(config: Config, store: TokenStore, side: str) -> torch.Tensor | None:
    vocabulary: Vocabulary = getattr(store, side).vocabulary
    found = initial_vectors(
        config.vectors,
        words=vocabulary.words,
        counts=vocabulary.counts,
        path=getattr(config.vectors, side),
        dim=option(config.model, "embedding"),
        cache=Path(config.paths.cache),
        seed=_seed(config),
        lines=lambda: _training_words(store, side),
    )
    if found is None:
        return None
    matrix, coverage = found
    log.info("Word vectors, %s side: %s", side, coverage)
    return torch.from_numpy(matrix)


def _training_words(store: TokenStore, side: str) -> Iterable[list[str]]:
    part = store.part("train")
    codec, column = getattr(store, side), getattr(part, side)
    return (codec.words(column[row]) for row in range(len(column)))


def _test(config: Config, job: Job) -> dict[str, float]:
    if not config.test:
        return {}
    if job.store.part("test") is None:
        log.info("No test: the data set has no test part (data.test).")
        return {}
    # There is none after one batch (debug=fast), nor with callbacks.keep_best=0: then the last weights are tested.
    checkpoint = getattr(job.trainer.checkpoint_callback, "best_model_path", "") or None
    (found,) = job.trainer.test(job.task, job.data, ckpt_path=checkpoint, verbose=False)
    return {name: float(value) for name, value in found.items()}


def _quieten(run: RunDirectory) -> None:
    """Leaves out what Lightning says of itself, and what the other processes would repeat."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # Lightning 2.6 warns of its own use of torch's tree functions.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    # The run's folder is the logger's folder, and holds more than the logger's files.
    warnings.filterwarnings("ignore", message="Experiment logs directory .* exists and is not empty")
    if not run.writes:
        logging.getLogger().setLevel(logging.WARNING)


def _seed(config: Config) -> int:
    if config.seed is None:
        raise ValueError("A seed must be drawn before processes are started, so that all have the same.")
    return config.seed


def _forcing(config: Config) -> ForcingOptions:
    forcing = option(config.model, "teacher_forcing")
    return forcing if isinstance(forcing, ForcingOptions) else ForcingOptions()


def _log_report(report: Report) -> None:
    for name, tally in report.inputs.items():
        log.info("data.%s: %s", name, tally.summary())
    for name, side in (("source", report.source), ("target", report.target)):
        log.info(
            "%s (%s): %s words, %.1f %% of validation words unknown",
            name,
            side.language,
            side.words,
            100 * side.unknown,
        )
