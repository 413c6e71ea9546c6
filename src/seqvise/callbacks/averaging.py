"""An average of the weights, kept beside those that are trained."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor, nn
from typing_extensions import override

from seqvise.callbacks.hooks import is_fit_validation
from seqvise.callbacks.options import CallbackOptions
from seqvise.callbacks.schedule import horizon_of
from seqvise.errors import UserError
from seqvise.tasks.options import MonitorOptions

log = logging.getLogger(__name__)

SWA_START = 0.75
NEVER = sys.maxsize
Share = Callable[[int], float]
"""The share of the newest weights in an average of ``k`` earlier ones. It is 1 for the first."""


def ema_share(decay: float) -> Share:
    """``1 - min(decay, (1 + k) / (10 + k))``: an exponential moving average that forgets faster at its beginning.

    Without that climb, the weights of the first step would count for ``1 / (1 - decay)`` steps.
    """
    return lambda k: 1 - min(decay, (1 + k) / (10 + k)) if k else 1.0


def mean_share(k: int) -> float:
    """``1 / (k + 1)``: the plain mean of all weights so far (Izmailov et al. 2018, arXiv:1803.05407)."""
    return 1 / (k + 1)


class WeightAverage(WeightAveraging):
    """Averages the weights after every optimizer step; validation measures, and checkpoints hold, the average.

    Lightning's callback keeps the average, swaps it in and out and stores it. A checkpoint's ``state_dict`` is the
    average, its ``current_model_state`` the weights that are trained, from which a resumed run goes on. Until
    ``start``, the average is the weights themselves. Learning rates are left alone.

    Args:
        share: of the newest weights.
        start: share of training, 0 to below 1, after which averaging begins.

    Raises:
        UserError: at the start of training, where weights are sharded or too coarse to be averaged.
    """

    def __init__(self, share: Share, start: float = 0.0) -> None:
        super().__init__(multi_avg_fn=self._average)
        self._share, self._start = share, start
        self._first = self._step = 0

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Makes the average, of the weights as they are, where and in the format in which they will be trained."""
        # At this time the model is still on the CPU and in single precision.
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and self._average_model is not None:
            trainer.precision_plugin.convert_module(self._average_model.module)
            _check(trainer, self._average_model)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finds the step at which averaging begins."""
        horizon = horizon_of(
            trainer.num_training_batches, trainer.accumulate_grad_batches, trainer.max_epochs, trainer.max_steps
        )
        self._first = int(self._start * horizon.steps)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds the weights to the average if an optimizer step was made."""
        self._step = trainer.global_step - 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the average into the model."""
        if is_fit_validation(trainer):
            super().on_validation_epoch_start(trainer, pl_module)

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the average where it is: the task's own hook comes after this one and may translate samples."""

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the trained weights back, before a checkpoint is written."""
        if is_fit_validation(trainer):
            super().on_validation_epoch_end(trainer, pl_module)

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restores both sets of weights for further training; a test keeps the average that was loaded."""
        if trainer.state.fn == "fit":
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _average(self, averages: list[Tensor], current: list[Tensor], _: object) -> None:
        """Moves averages of one type towards the weights, in place."""
        share = self._share(max(self._step - self._first, 0))
        if share < 1 and averages[0].is_floating_point():
            torch._foreach_lerp_(averages, current, share)
        else:
            torch._foreach_copy_(averages, current)


class TriggeredAverage(WeightAverage):
    """Averages from the validation on that shows that training goes to and fro (NT-ASGD).

    It begins when a validation is worse than the best of those at least ``patience`` validations before it
    (Merity et al. 2018, algorithm 1). From then on the average is the plain mean of the weights after every step, as
    ``torch.optim.ASGD`` has it with ``lambd=0``; the optimizer goes on as it was.

    Args:
        metric: what validations are compared by.
        mode: ``min`` or ``max``, whether smaller or larger is better.
        patience: of which validations are not compared with.
    """

    def __init__(self, metric: str, mode: str, patience: int) -> None:
        super().__init__(mean_share)
        self._metric, self._sign, self._patience = metric, 1.0 if mode == "min" else -1.0, patience
        self._values: list[float] = []
        self._begun: int | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the beginning to the validations."""
        self._first = NEVER if self._begun is None else self._begun

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the trained weights back, and looks at the validation."""
        super().on_validation_end(trainer, pl_module)
        if self._begun is not None or not is_fit_validation(trainer) or self._metric not in trainer.callback_metrics:
            return
        value = self._sign * float(trainer.callback_metrics[self._metric])
        earlier = self._values[: max(len(self._values) - self._patience, 0)]
        self._values.append(value)
        if earlier and value > min(earlier):
            self._begun = self._first = trainer.global_step
            log.info("%s has stopped getting better: averaging begins behind step %d.", self._metric, self._begun)

    @override
    def state_dict(self) -> dict[str, Any]:
        """What validations have shown."""
        return {**super().state_dict(), "values": self._values, "begun": self._begun}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on comparing with the validations before."""
        super().load_state_dict(state_dict)
        self._values, self._begun = list(state_dict["values"]), state_dict["begun"]


def build_average(options: CallbackOptions, monitor: MonitorOptions) -> list[pl.Callback]:
    """The callback that `callbacks.average` names, if it names one."""
    if options.average == "ema":
        return [WeightAverage(ema_share(options.average_decay), options.average_start or 0.0)]
    if options.average == "swa":
        start = SWA_START if options.average_start is None else options.average_start
        return [WeightAverage(mean_share, start)]
    if options.average == "nt_asgd":
        return [TriggeredAverage(monitor.metric, monitor.mode, options.average_patience)]
    return []


def _check(trainer: pl.Trainer, average: nn.Module) -> None:
    problems = []
    if isinstance(trainer.strategy, FSDPStrategy):
        problems.append(
            "callbacks.average needs all weights in each process, but trainer.strategy=fsdp shares them out: "
            "choose another strategy, or callbacks.average=none."
        )
    coarse = {str(w.dtype) for w in average.parameters() if w.is_floating_point() and w.element_size() < 4}
    if coarse:
        problems.append(
            f"callbacks.average adds steps that {coarse.pop()} weights would round away: set trainer.precision to "
            "32-true, bf16-mixed or 16-mixed, or callbacks.average=none."
        )
    if problems:
        raise UserError(*problems)
