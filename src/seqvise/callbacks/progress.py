"""Training progress: a bar in a terminal, one line per epoch elsewhere, and a file of validation metrics."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import RichProgressBarTheme
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.hooks import ValidationCallback, step_counts
from seqvise.callbacks.throughput import Speedometer
from seqvise.tasks.samples import fields_of

FIRST_EPOCH = "first_epoch"
LogMetrics: TypeAlias = Callable[[dict[str, float], int | None], None]


def first_epoch(file: Path) -> int:
    """The number of the first epoch in a ``progress.jsonl``, and in the curves of its run.

    It is 1, but 0 in runs that an earlier revision started, whose first line has no ``first_epoch``.
    """
    if not file.is_file():
        return 1
    with file.open(encoding="utf-8", errors="replace") as lines:
        try:
            return int(json.loads(lines.readline())[FIRST_EPOCH])
        except (ValueError, KeyError, TypeError):
            return 0


class LoggedEpochs(pl.Callback):
    """Loggers receive the number of the epoch as in ``progress.jsonl``; Lightning's own starts at 0.

    Args:
        file: the run's ``progress.jsonl``.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replaces the loggers' ``log_metrics``."""
        first = first_epoch(self._file)
        for logger in trainer.loggers:
            vars(logger)["log_metrics"] = _with_epochs_from(first, logger.log_metrics)

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores it: after training, Lightning logs the number of finished epochs."""
        for logger in trainer.loggers:
            vars(logger).pop("log_metrics", None)


def _with_epochs_from(first: int, log_metrics: LogMetrics) -> LogMetrics:
    def log(metrics: dict[str, float], step: int | None = None) -> None:
        counted = {"epoch": metrics["epoch"] + first} if "epoch" in metrics else {}
        log_metrics({**metrics, **counted}, step)

    return log


class ProgressFile(ValidationCallback):
    """Appends a line to a file after each validation: ``{"epoch": 1, "step": 250, "val/loss": 3.1, ...}``.

    Without validation, a line is appended after each epoch. A step can appear twice if a killed run is resumed. The
    first line also has ``first_epoch``, see there.

    Args:
        file: created with its folder at the first line.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @override
    def after_validation(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            first = first_epoch(self._file)
            line = {"epoch": trainer.current_epoch + first, "step": trainer.global_step, **metrics}
            if not self._file.is_file():
                line[FIRST_EPOCH] = first
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


SHOWN = {
    "train/loss_smooth": "train loss",
    **{name: name for name in ("val/loss", "val/ppl", "val/bleu", "val/f1", "val/hit@1", "val/held_out/hit@5")},
}
REFRESH_SECONDS = 0.5

THEME = RichProgressBarTheme(
    description="bold",
    progress_bar="cyan",
    progress_bar_finished="green",
    progress_bar_pulse="cyan",
    time="dim",
    processing_speed="dim",
    metrics="default",
    metrics_text_delimiter="  ",
)


class SpeedBar(ProgressBar):
    """A display with the speed of the epoch, without the time of validation."""

    _speed: Speedometer

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._speed.reset()
        super().on_train_epoch_start(trainer, pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._speed.add(*step_counts(pl_module, batch))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._speed.resume()
        super().on_validation_end(trainer, pl_module)


class TokenBar(SpeedBar, RichProgressBar):
    """Lightning's Rich bar on standard error, with tokens or images per second and the current losses."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10, theme=THEME, console_kwargs={"stderr": True})
        self._speed = Speedometer()
        self._shown: dict[str, int | str | float | dict[str, float]] = {}
        self._shown_at = -REFRESH_SECONDS

    @override
    def _get_train_description(self, current_epoch: int) -> str:
        """The epoch, from 1, padded to the length of the description of a validation, as Lightning's own."""
        epochs = self.trainer.max_epochs
        number = f"Epoch {current_epoch + 1}" + (f"/{epochs}" if epochs is not None and epochs > 0 else "")
        return number.ljust(len(self.validation_description))

    @override
    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The metrics of the bar, updated at most twice a second, because reading a loss waits for the device."""
        now = time.monotonic()
        if now - self._shown_at >= REFRESH_SECONDS:
            self._shown_at = now
            unit, rate = progress_rate(self._speed, trainer, pl_module)
            self._shown = {f"{unit}/s": f"{rate:,.0f}", **shown_metrics(trainer.callback_metrics)}
        return self._shown


class EpochLines(SpeedBar):
    """One plain line per epoch on standard error: duration, speed, metrics and estimated time left."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._speed = Speedometer()
        self._began = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._validated = False

    @override
    def disable(self) -> None:
        """Disables printing; Lightning calls it on every rank but the first."""
        self._enabled = False

    @override
    def enable(self) -> None:
        self._enabled = True

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.monotonic()
        self._first = self._first or (trainer.current_epoch, self._began)
        self._validated = False
        super().on_train_epoch_start(trainer, pl_module)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True
        super().on_validation_end(trainer, pl_module)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._enabled:
            print(self._line(trainer, pl_module), file=sys.stderr, flush=True)

    def _line(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        now, epoch = time.monotonic(), trainer.current_epoch + 1
        first_epoch, start = self._first or (trainer.current_epoch, self._began)
        seconds_left = ((trainer.max_epochs or 0) - epoch) * (now - start) / (epoch - first_epoch)
        unit, rate = progress_rate(self._speed, trainer, pl_module)
        speed = f"{rate:,.0f} {unit}/s"
        # Lightning keeps validation metrics of an earlier epoch if this epoch had no validation.
        metrics = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if self._validated or not name.startswith("val/")
        }
        return epoch_line(epoch, trainer.max_epochs, now - self._began, speed, metrics, seconds_left)


def progress_rate(speed: Speedometer, trainer: pl.Trainer, pl_module: pl.LightningModule) -> tuple[str, float]:
    """The unit of the displayed speed, and the units per second of all ranks together."""
    unit, rate = next(iter(speed.rates(fields_of(pl_module).unit).items()))
    return unit, rate * trainer.world_size


def epoch_line(
    epoch: int, epochs: int | None, seconds: float, speed: str, metrics: Mapping[str, Tensor], seconds_left: float
) -> str:
    """The line of one epoch.

    Args:
        epoch: number of the epoch, from 1.
        epochs: total number of epochs; None or below 1 if training has another limit.
        seconds: duration of the epoch, including validation.
        speed: items per second, with their unit.
        metrics: all logged metrics; those of ``SHOWN`` are displayed.
        seconds_left: estimated seconds until training ends.
    """
    bounded = epochs is not None and epochs > 0
    shown = [f"{name} {value}" for name, value in shown_metrics(metrics).items()]
    end = [f"eta {timedelta(seconds=round(seconds_left))}"] if bounded and seconds_left > 0 else []
    number = f"epoch {epoch}/{epochs}" if bounded else f"epoch {epoch}"
    return "  ".join([number, f"{seconds:.0f} s", speed, *shown, *end])


def shown_metrics(metrics: Mapping[str, Tensor]) -> dict[str, str]:
    """The displayed metrics that have been logged, by display name."""
    return {label: f"{float(metrics[name]):.3f}" for name, label in SHOWN.items() if name in metrics}
