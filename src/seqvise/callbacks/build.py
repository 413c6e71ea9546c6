"""Builds the callbacks of a run from its options."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from seqvise.callbacks.averaging import build_average
from seqvise.callbacks.banner import Banner
from seqvise.callbacks.checkpoints import LAST, build_checkpoints
from seqvise.callbacks.dashboard import ConfusionPicture, Dashboard, HyperparameterRow, SampleFile
from seqvise.callbacks.exact_resume import ExactResume
from seqvise.callbacks.guards import FiniteLoss, MonitorIsLogged
from seqvise.callbacks.image_board import ImageBoard
from seqvise.callbacks.options import CallbackOptions
from seqvise.callbacks.progress import EpochLines, LoggedEpochs, ProgressFile, TokenBar
from seqvise.callbacks.save_on_signal import StopOnSignal
from seqvise.callbacks.schedule import ScheduleCallback
from seqvise.callbacks.training_metrics import TrainingSignals
from seqvise.classes import construct, find_class
from seqvise.config.registry import CALLBACK
from seqvise.models.options import ForcingOptions
from seqvise.schedules.curves import build_schedules
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.options import MonitorOptions


def build_callbacks(
    options: CallbackOptions,
    schedule: ScheduleOptions,
    forcing: ForcingOptions | None,
    monitor: MonitorOptions,
    run_dir: Path,
) -> list[pl.Callback]:
    """All callbacks of a run, in the order they must be called.

    The schedule raises its errors before the banner is printed, and the guards run before anything is saved. With
    ``options.progress`` the list includes a progress bar; without, the trainer needs ``enable_progress_bar=False``.

    Args:
        options: the built-in callbacks to use, and your own.
        forcing: schedule of the teacher forcing ratio; None for a model without teacher forcing.
        run_dir: folder of ``samples.txt``, ``progress.jsonl``, ``confusion.png`` and ``checkpoints/``.

    Raises:
        UserError: a node of ``options.extra`` is not a callback.
    """
    custom = find_class("schedule.name", schedule.name) if "." in schedule.name else None
    return [
        ExactResume(monitor.metric),
        ScheduleCallback(build_schedules(schedule, forcing, custom), extend=schedule.extend),
        Banner(),
        FiniteLoss(),
        MonitorIsLogged(monitor.metric),
        *build_average(options, monitor),
        TrainingSignals(),
        Dashboard(options.samples, options.attention_maps),
        ImageBoard(options.samples),
        ConfusionPicture(run_dir / "confusion.png"),
        HyperparameterRow(monitor.metric, monitor.mode, run_dir),
        SampleFile(run_dir / "samples.txt", options.samples),
        LoggedEpochs(run_dir / "progress.jsonl"),
        ProgressFile(run_dir / "progress.jsonl"),
        *_progress(options),
        *_stopping(options, monitor),
        *_extra(options.extra),
        *build_checkpoints(options, monitor, run_dir / "checkpoints"),
        StopOnSignal(run_dir / "checkpoints" / LAST),
    ]


def _progress(options: CallbackOptions) -> Iterator[pl.Callback]:
    if options.progress:
        yield TokenBar() if sys.stderr.isatty() else EpochLines()


def _stopping(options: CallbackOptions, monitor: MonitorOptions) -> Iterator[pl.Callback]:
    if options.patience is not None:
        yield EarlyStopping(monitor.metric, mode=monitor.mode, patience=options.patience)


def _extra(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[pl.Callback]:
    for name, node in nodes.items():
        yield construct(f"callbacks.extra.{name}", node, CALLBACK)
