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
from seqvise.figures import save, single_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Slopes are taken over this many steps on either side: the first smoothed losses average few values and are noisy.
SLOPE_STEPS = 5


@dataclass(frozen=True)
class RangeTest:
    """The result of a range test.

    Attributes:
        rates: n increasing rates, each the highest of the parameter groups at that step.
        losses: n smoothed losses.
    """

    rates: list[float]
    losses: list[float]

    def suggestion(self) -> float:
        """The rate with the steepest descent of the smoothed loss over the log rate, before the lowest loss.

        Raises:
            UserError: the loss fell for too few steps.
        """
        lowest = int(np.argmin(self.losses)) + 1 if self.losses else 0
        if lowest <= 2 * SLOPE_STEPS:
            raise UserError(
                f"The loss was lowest after {lowest} of {len(self.losses)} steps of the range test, too early to "
                "suggest a rate: lower find_lr.start or raise find_lr.steps."
            )
        losses, rates = np.array(self.losses[:lowest]), np.log(self.rates[:lowest])
        slopes = (losses[2 * SLOPE_STEPS :] - losses[: -2 * SLOPE_STEPS]) / (
            rates[2 * SLOPE_STEPS :] - rates[: -2 * SLOPE_STEPS]
        )
        return self.rates[SLOPE_STEPS + int(np.argmin(slopes))]


class RangeTestCallback(pl.Callback):
    """Multiplies the rate at every optimizer step, from ``start`` to ``end``, and records the smoothed loss.

    Parameter groups keep their ratios; the highest rate is recorded. Training stops at the end, or earlier if the loss
    is not finite or above ``stop`` times its minimum. (Smith 2017, arXiv:1506.01186, section 3.3; ``lr_find`` of
    fast.ai (2018) also stops at four times the minimum.)

    Args:
        options: range, number of steps, smoothing and stop factor.
    """

    def __init__(self, options: RangeTestOptions) -> None:
        self.result = RangeTest([], [])
        self._options = options
        self._smoothed: Smoothed[float] = Smoothed(options.beta)
        self._losses: list[float] = []

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Removes the task's own rate scheduler, which may monitor a metric of a validation that is not run."""
        trainer.strategy.lr_scheduler_configs = []

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
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
    """Runs a range test, writes its plot and restores the task's weights.

    Args:
        trainer: used for this test only. Its device, precision, accumulation and clipping apply; its callbacks,
            loggers, validation and limits are removed.
        datamodule: the training batches, repeated if an epoch is shorter than the test.
        out: the PNG file of the plot.
        options: range and steps; None for the defaults.

    Returns:
        The suggested peak rate, at the steepest descent of the loss.

    Raises:
        UserError: the loss fell for too few steps.
    """
    callback = RangeTestCallback(options or RangeTestOptions())
    strip_trainer(trainer, callback)
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
    """The smoothed loss over the rate, with the suggestion marked."""
    figure, axes = single_axes(6.4, 4.0, dpi=120)
    axes.plot(result.rates, result.losses, color="tab:blue", linewidth=1.6)
    loss = result.losses[result.rates.index(suggestion)]
    axes.plot([suggestion], [loss], "o", color="tab:red")
    label = f"steepest descent: {suggestion:.2g}"
    axes.annotate(label, (suggestion, loss), xytext=(8, 6), textcoords="offset points", color="tab:red")
    axes.set_xscale("log")
    axes.set_ylim(*_y_limits(result.losses))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss, smoothed")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _y_limits(losses: list[float]) -> tuple[float, float]:
    """Limits of the y axis that show the descent, however high the loss rises afterwards."""
    low, start = min(losses), losses[0]
    drop = max(start - low, 1e-6)
    return low - 0.1 * drop, min(max(losses), start + 0.6 * drop) + 0.1 * drop


def strip_trainer(trainer: pl.Trainer, callback: pl.Callback) -> None:
    """Removes callbacks, loggers, validation and limits of a trainer; ``callback`` has to end training."""
    trainer.callbacks = [callback]  # type: ignore[attr-defined]
    trainer.loggers = []
    trainer.limit_val_batches = 0
    trainer.num_sanity_val_steps = 0
    trainer.fit_loop.max_epochs = -1
    trainer.fit_loop.epoch_loop.max_steps = -1
