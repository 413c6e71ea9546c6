"""The learning rate range test."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from typing_extensions import override

from seqvise.callbacks.hooks import batch_loss
from seqvise.callbacks.options import RangeTestOptions
from seqvise.callbacks.schedule import scale_rates
from seqvise.callbacks.throughput import Smoothed
from seqvise.errors import UserError
from seqvise.figures import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACH = 5  # steps on either side of the one whose slope is taken: the first few means are of few losses, and jump


@dataclass(frozen=True)
class RangeTest:
    """What a range test saw.

    Attributes:
        rates: n rates, growing, each the highest of its step's groups.
        losses: n smoothed losses.
    """

    rates: list[float]
    losses: list[float]

    def suggestion(self) -> float:
        """The rate at which the smoothed loss falls fastest per factor of the rate, before its lowest point.

        Raises:
            UserError: the loss fell too briefly to tell.
        """
        lowest = int(np.argmin(self.losses)) + 1 if self.losses else 0
        if lowest <= 2 * REACH:
            raise UserError(
                f"The loss was lowest after {lowest} of {len(self.losses)} steps of the range test, too early to "
                "suggest a rate: lower find_lr.start or raise find_lr.steps."
            )
        losses, rates = np.array(self.losses[:lowest]), np.log(self.rates[:lowest])
        slopes = (losses[2 * REACH :] - losses[: -2 * REACH]) / (rates[2 * REACH :] - rates[: -2 * REACH])
        return self.rates[REACH + int(np.argmin(slopes))]


class RangeTestCallback(pl.Callback):
    """Multiplies the rate at every optimizer step, from ``start`` to ``end``, and records the smoothed loss.

    Groups keep their ratios; the highest has the rate that is recorded. Training stops at the end, or earlier where
    the loss is not finite or ``stop`` times its best. (Smith 2017, arXiv:1506.01186, section 3.3; the lesson's
    ``lr_find``, which stops at four times the best as well.)

    Args:
        options: the range, its steps, smoothing and stop.
    """

    def __init__(self, options: RangeTestOptions) -> None:
        self.result = RangeTest([], [])
        self._options = options
        self._smoothed: Smoothed[float] = Smoothed(options.beta)
        self._losses: list[float] = []

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts aside the task's own rate scheduler, which may watch a metric of a validation that is not run."""
        trainer.strategy.lr_scheduler_configs = []

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Sets the step's rate."""
        options, optimizer = self._options, trainer.optimizers[0]
        rate = options.start * (options.end / options.start) ** (trainer.global_step / (options.steps - 1))
        highest = max(group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups)
        scale_rates(optimizer, rate / highest)
        if not self._losses:
            self.result.rates.append(rate)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Records the step's loss once its last batch is done."""
        self._losses.append(float(batch_loss(trainer, outputs)))
        if trainer.global_step == len(self.result.rates):
            self._record(sum(self._losses) / len(self._losses), trainer)
            self._losses.clear()

    def _record(self, loss: float, trainer: pl.Trainer) -> None:
        if not math.isfinite(loss):
            self.result.rates.pop()
            trainer.should_stop = True
            return
        losses = self.result.losses
        losses.append(self._smoothed.add(loss))
        if losses[-1] > self._options.stop * min(losses) or len(losses) == self._options.steps:
            trainer.should_stop = True


def find_lr(
    trainer: pl.Trainer,
    task: pl.LightningModule,
    datamodule: pl.LightningDataModule,
    out: Path,
    options: RangeTestOptions | None = None,
) -> float:
    """Runs a range test, writes its plot, and leaves the task's weights as they were.

    Args:
        trainer: one for this alone, whose device, precision, accumulation and clipping are used; its callbacks,
            loggers, validation and limits are put aside.
        task: the module.
        datamodule: gives the training batches, over again where an epoch is shorter than the test.
        out: the plot, a PNG.
        options: the range; its defaults if None.

    Returns:
        The suggested peak rate, where the loss falls fastest.

    Raises:
        UserError: the loss fell too briefly to tell.
    """
    callback = RangeTestCallback(options or RangeTestOptions())
    put_aside(trainer, callback)
    weights = copy.deepcopy(task.state_dict())
    try:
        trainer.fit(task, datamodule=datamodule)
    finally:
        task.load_state_dict(weights)
    suggestion = callback.result.suggestion()
    if trainer.is_global_zero:
        save(range_figure(callback.result, suggestion), out)
    return suggestion


def range_figure(result: RangeTest, suggestion: float) -> Figure:
    """The smoothed loss over the rate, the suggestion marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(result.rates, result.losses, color="tab:blue", linewidth=1.6)
    loss = result.losses[result.rates.index(suggestion)]
    axes.plot([suggestion], [loss], "o", color="tab:red")
    label = f"falls fastest: {suggestion:.2g}"
    axes.annotate(label, (suggestion, loss), xytext=(8, 6), textcoords="offset points", color="tab:red")
    axes.set_xscale("log")
    axes.set_ylim(*_visible(result.losses))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss, smoothed")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _visible(losses: list[float]) -> tuple[float, float]:
    """Limits that show the fall, however high the loss climbed after it."""
    low, start = min(losses), losses[0]
    room = max(start - low, 1e-6)
    return low - 0.1 * room, min(max(losses), start + 0.6 * room) + 0.1 * room


def put_aside(trainer: pl.Trainer, callback: pl.Callback) -> None:
    """Leaves a trainer nothing but batches and one callback, which ends it."""
    trainer.callbacks = [callback]  # type: ignore[attr-defined]
    trainer.loggers = []
    trainer.limit_val_batches = 0
    trainer.num_sanity_val_steps = 0
    trainer.fit_loop.max_epochs = -1
    trainer.fit_loop.epoch_loop.max_steps = -1
