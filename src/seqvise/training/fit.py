"""Trains and tests the model of a config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console
from rich.table import Column, Table

from seqvise.callbacks.banner import check_horizon
from seqvise.callbacks.stopping import stop_reason
from seqvise.config.options import Config
from seqvise.errors import UserError
from seqvise.plain_text import printable
from seqvise.runs.directory import RunDirectory
from seqvise.runs.environment import code_changes, device_name, environment
from seqvise.runs.resume import check_assets, last_checkpoint, step_of
from seqvise.tasks.samples import fields_of
from seqvise.training.build import TrainingJob, build_job
from seqvise.training.plan import for_this_machine, show_plan
from seqvise.training.trainer import keep_curves

WIDTH = 110
"""Width of the table in characters, on every output."""

METRICS = ("hit@1", "hit@5", "hit@10", "hp@2", "hp@5", "text_to_image_map")
ROUNDS = ("seen", "held_out", "seen_among_all", "held_out_among_all", "seen_among_nouns", "held_out_among_nouns")

STARRED = "* a class of ImageNet, which the network was trained on, or a hypernym of one"


class MetricCell(NamedTuple):
    """The table cell of a metric: ``test/chance/held_out/hit@5`` is hit@5 of held-out images, method test/chance."""

    images: str
    method: str
    metric: str


def cell_of(name: str) -> MetricCell | None:
    """The table cell of a metric; None if it is not a zero-shot metric."""
    *path, metric = name.split("/")
    if not path or not (metric.startswith(("hit@", "hp@")) or metric.endswith("_map")):
        return None
    images = path.pop() if path[-1] in ROUNDS else ROUNDS[0]
    return MetricCell(images, "/".join(path), metric)


def show_rounds(metrics: Mapping[str, object]) -> None:
    """Prints the table, if it has a row."""
    table = rounds_table(metrics)
    if table.row_count:
        Console(highlight=False, width=WIDTH).print(table)


def rounds_table(metrics: Mapping[str, object]) -> Table:
    """A table of the zero-shot metrics, sorted by images, then by method."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in metrics.items():
        cell = cell_of(name)
        if cell is not None and isinstance(value, float):
            rows.setdefault(cell[:2], {})[cell.metric] = f"{value:.3f}"
    table = Table(*(Column(name, no_wrap=True) for name in ("images", "method", *METRICS)))
    for images, method in sorted(rows, key=lambda row: (ROUNDS.index(row[0]), row[1])):
        shown = rows[images, method]
        table.add_row(images.replace("_", " "), method, *(shown.get(name, "") for name in METRICS))
    return table


log = logging.getLogger(__name__)


def fit(config: Config, directory: Path, resumed: bool = False) -> dict[str, float | str | None]:
    """Trains and tests the model of a config, and records the results.

    Args:
        config: the resolved config; its seed is a number, and its data are acquired, see ``seqvise.training.acquire``.
        directory: the run directory.
        resumed: whether training resumes from the last checkpoint in the directory, if there is one.

    Returns:
        the content of ``metrics.json``; empty after a dry run.

    Raises:
        UserError: a file, a package or a device is missing.
    """
    run = RunDirectory(directory)
    with ExitStack() as stack:
        stack.enter_context(run.locked())
        status: dict[str, str] = {}
        if not resumed:
            status = stack.enter_context(run.recorded())
            run.write_config(config)
        checkpoint = last_checkpoint(directory) if resumed else None
        done = None if checkpoint is None else step_of(checkpoint)
        if config.dry_run:
            show_plan(build_job(for_this_machine(config), run), config)
            return {}
        job = build_job(config, run, done)
        if resumed:  # the run is not changed before everything is checked
            _check_resumable(job, run, checkpoint)
            status = stack.enter_context(run.recorded())
            if done is not None:
                keep_curves(run, done)
        metrics = _train_and_record(config, run, job, checkpoint)
        if reason := stop_reason(job.trainer):
            status["stopped"] = reason
    if run.writes:
        show_results(run, metrics)
    return metrics


def _check_resumable(job: TrainingJob, run: RunDirectory, checkpoint: Path | None) -> None:
    """Raises UserError if the data or the training length differ from those at the start of the run."""
    if checkpoint is None:
        return
    if run.writes:
        check_assets(job.parts.write_assets, run.assets)
    check_horizon(job.trainer, job.parts.data, checkpoint)


def _train_and_record(
    config: Config, run: RunDirectory, job: TrainingJob, checkpoint: Path | None
) -> dict[str, float | str | None]:
    """Trains the model, and writes the files of the run directory."""
    run.write_config(config)  # with values that were filled in
    write_environment(run, config, job.trainer)
    run.write_assets(job.parts.write_assets)
    metrics = train(config, job, checkpoint)
    run.write_metrics(metrics)
    return metrics


def write_environment(run: RunDirectory, config: Config, trainer: pl.Trainer) -> None:
    """Records versions, device and code revision; uncommitted changes are written to a separate file."""
    changes = code_changes()
    run.write_environment(environment(trainer, changes))
    if config.keep_changes and changes.text:
        run.write_changes(changes.file, changes.text)


def train(config: Config, job: TrainingJob, checkpoint: Path | None = None) -> dict[str, float | str | None]:
    """Trains, from a checkpoint if there is one, tests, and returns the results as one flat object."""
    job.time.start()
    _fit(job, checkpoint)
    seconds = job.time.seconds
    if reason := stop_reason(job.trainer):
        log.info("Training stopped early, after epoch %d: %s.", job.trainer.current_epoch, reason)
    _say_unmeasured(job)
    task, fields = job.parts.task, fields_of(job.parts.task)
    return {
        **job.best.metrics,
        **_test(config, job),
        **{f"signature/{name}": text for name, text in fields.signatures.items()},
        **fields.extra_metrics,
        "epochs": job.trainer.current_epoch,
        "steps": job.trainer.global_step,
        "seconds": round(seconds, 1),
        "parameters": sum(weights.numel() for weights in task.parameters()),
        "device": device_name(job.trainer.strategy.root_device),
        "world_size": job.trainer.world_size,
        "precision": str(job.trainer.precision),
        **({"projection_precision": fields.projection_precision} if fields.projection_precision else {}),
        "seed": config.seed,
    }


def _fit(job: TrainingJob, checkpoint: Path | None) -> None:
    try:
        job.trainer.fit(job.parts.task, job.parts.data, ckpt_path=checkpoint, weights_only=True)
    except (MisconfigurationException, ValueError) as error:
        # Lightning raises ValueError if the validation interval is longer than the epoch, known only now.
        if isinstance(error, ValueError) and "val_check_interval" not in str(error):
            raise
        message = " ".join(str(error).split())
        raise UserError(f"Lightning refuses this combination of trainer.* keys: {message}") from error


def _say_unmeasured(job: TrainingJob) -> None:
    """Warns of a training whose last steps no validation has measured, as trainer.max_steps can leave."""
    trainer = job.trainer
    without = trainer.limit_val_batches == 0 or bool(getattr(trainer, "fast_dev_run", False))
    if trainer.is_global_zero and not without and (sentence := job.best.unvalidated_steps_message(trainer.global_step)):
        log.warning("%s", sentence)


def show_results(run: RunDirectory, metrics: Mapping[str, float | str | None]) -> None:
    """Prints sample translations, the metrics and the run directory."""
    console = Console(soft_wrap=True, highlight=False)
    samples = run.path / "samples.txt"
    if samples.is_file():
        console.print(printable(samples.read_text(encoding="utf-8"), keep="\n"), markup=False)
    table = Table("metric", "value")
    for name, value in metrics.items():
        if cell_of(name) is None:
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else _with_legend(name, str(value)))
    console.print(table)
    show_rounds(metrics)
    if any(run.path.glob("events.out.tfevents.*")):
        console.print(f"curves: tensorboard --logdir {run.path}", markup=False)
    console.print(f"run: {run.path}", markup=False)


def _with_legend(name: str, text: str) -> str:
    """The held-out labels with the meaning of the star, if one has it."""
    return f"{text}\n{STARRED}" if name == "held_out" and "*" in text else text


def _test(config: Config, job: TrainingJob) -> dict[str, float]:
    if not config.test:
        return {}
    if not job.parts.tested:
        log.info("Test skipped: the data have no test part (data.test).")
        return {}
    # Without a best checkpoint (debug=fast, callbacks.keep_best=0) the last weights are tested.
    checkpoint = getattr(job.trainer.checkpoint_callback, "best_model_path", "") or None
    loaders = job.trainer.test(job.parts.task, job.parts.data, ckpt_path=checkpoint, verbose=False)
    return {name: float(value) for metrics in loaders for name, value in metrics.items()}
