"""Progress: a bar in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import RichProgressBarTheme
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.hooks import counts, is_fit_validation, unit_of
from seqvise.callbacks.throughput import Speedometer


class ProgressFile(pl.Callback):
    """Adds a line to a file after each validation: ``{"epoch": 0, "step": 250, "val/loss": 3.1, ...}``.

    Without a validation, after each epoch. A step may come twice where a run goes on behind a kill.

    Args:
        file: made at the first line, with its folder.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes what is known after a validation of training."""
        if is_fit_validation(trainer):
            self._write(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The same for a training without validation."""
        if not trainer.enable_validation:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            line = {"epoch": trainer.current_epoch, "step": trainer.global_step, **metrics}
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


class TokenBar(RichProgressBar):
    """Lightning's Rich bar on standard error, with tokens or images a second and the losses as they stand."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10, theme=THEME, console_kwargs={"stderr": True})
        self._speed = Speedometer()
        self._shown: dict[str, int | str | float | dict[str, float]] = {}
        self._shown_at = -REFRESH_SECONDS

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the epoch's bar and its mean speed."""
        self._speed.reset()
        super().on_train_epoch_start(trainer, pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts the batch."""
        self._speed.add(*counts(pl_module, batch))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the validation's time out of the speed."""
        self._speed.resume()
        super().on_validation_end(trainer, pl_module)

    @override
    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What the bar shows, at most twice a second: reading a loss waits for the device."""
        now = time.monotonic()
        if now - self._shown_at >= REFRESH_SECONDS:
            self._shown_at = now
            unit, rate = first_rate(self._speed, trainer, pl_module)
            self._shown = {f"{unit}/s": f"{rate:,.0f}", **shown_metrics(trainer.callback_metrics)}
        return self._shown


class EpochLines(ProgressBar):
    """A plain line on standard error for each epoch: how long it took, how fast, how well, and when training ends."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._speed = Speedometer()
        self._began = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._validated = False

    @override
    def disable(self) -> None:
        """Prints nothing from now on; Lightning calls it on every rank but the first."""
        self._enabled = False

    @override
    def enable(self) -> None:
        """Prints again."""
        self._enabled = True

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clocks."""
        self._began = time.monotonic()
        self._first = self._first or (trainer.current_epoch, self._began)
        self._validated = False
        self._speed.reset()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts the batch."""
        self._speed.add(*counts(pl_module, batch))

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the validation's time out of the speed, not out of the epoch's seconds."""
        self._speed.resume()
        self._validated = True
        super().on_validation_end(trainer, pl_module)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints the epoch's line."""
        if self._enabled:
            print(self._line(trainer, pl_module), file=sys.stderr, flush=True)

    def _line(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        now, epoch = time.monotonic(), trainer.current_epoch + 1
        first, began = self._first or (trainer.current_epoch, self._began)
        left = ((trainer.max_epochs or 0) - epoch) * (now - began) / (epoch - first)
        unit, rate = first_rate(self._speed, trainer, pl_module)
        speed = f"{rate:,.0f} {unit}/s"
        # Lightning keeps an earlier epoch's validation where this one had none.
        metrics = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if self._validated or not name.startswith("val/")
        }
        return epoch_line(epoch, trainer.max_epochs, now - self._began, speed, metrics, left)


def first_rate(speed: Speedometer, trainer: pl.Trainer, pl_module: pl.LightningModule) -> tuple[str, float]:
    """The unit that progress is told in, and how many a second all ranks do together."""
    unit, rate = next(iter(speed.rates(unit_of(pl_module)).items()))
    return unit, rate * trainer.world_size


def epoch_line(
    epoch: int, epochs: int | None, seconds: float, speed: str, metrics: Mapping[str, Tensor], left: float
) -> str:
    """One epoch in one line.

    Args:
        epoch: its number, from 1.
        epochs: how many there will be; None or below 1 where training ends otherwise.
        seconds: how long it took, validation included.
        speed: items a second, with their unit.
        metrics: all that is logged; the losses and BLEU are shown.
        left: seconds until the last epoch ends.
    """
    bounded = epochs is not None and epochs > 0
    shown = [f"{name} {value}" for name, value in shown_metrics(metrics).items()]
    end = [f"eta {timedelta(seconds=round(left))}"] if bounded and left > 0 else []
    number = f"epoch {epoch}/{epochs}" if bounded else f"epoch {epoch}"
    return "  ".join([number, f"{seconds:.0f} s", speed, *shown, *end])


def shown_metrics(metrics: Mapping[str, Tensor]) -> dict[str, str]:
    """The metrics that progress shows, those logged so far, by the name shown."""
    return {label: f"{float(metrics[name]):.3f}" for name, label in SHOWN.items() if name in metrics}
