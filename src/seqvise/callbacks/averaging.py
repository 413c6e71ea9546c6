"""Weight averaging: EMA, SWA and NT-ASGD, stored beside the trained weights."""

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
"""Maps ``k``, the number of weights averaged so far, to the share of the newest weights; 1 for ``k = 0``."""


def ema_share(decay: float) -> Share:
    """``1 - min(decay, (1 + k) / (10 + k))``: an exponential moving average with a decay warm-up.

    Without the warm-up, the weights of the first step would count for ``1 / (1 - decay)`` steps.
    """
    return lambda k: 1 - min(decay, (1 + k) / (10 + k)) if k else 1.0


def mean_share(k: int) -> float:
    """``1 / (k + 1)``: the plain mean of all weights so far (Izmailov et al. 2018, arXiv:1803.05407)."""
    return 1 / (k + 1)


class WeightAverage(WeightAveraging):
    """Averages the weights after every optimizer step; validation and checkpoints use the average.

    Lightning's callback keeps the average, swaps it in and out and stores it. A checkpoint's ``state_dict`` holds the
    average, its ``current_model_state`` the trained weights, from which a resumed run continues. Before ``start``, the
    average equals the trained weights. Learning rates are not changed.

    Args:
        share: the share of the newest weights.
        start: fraction of training, in [0, 1), after which averaging starts.

    Raises:
        UserError: at the start of training, if weights are sharded or in too low a precision to be averaged.
    """

    def __init__(self, share: Share, start: float = 0.0) -> None:
        super().__init__(multi_avg_fn=self._average)
        self._share, self._start = share, start
        self._first = self._step = 0

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Creates the average from the current weights, on the device and in the precision of training."""
        # At this point the model is still on the CPU and in single precision.
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and self._average_model is not None:
            trainer.precision_plugin.convert_module(self._average_model.module)
            _check_averageable(trainer, self._average_model)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        horizon = horizon_of(
            trainer.num_training_batches, trainer.accumulate_grad_batches, trainer.max_epochs, trainer.max_steps
        )
        self._first = int(self._start * horizon.steps)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._step = trainer.global_step - 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if is_fit_validation(trainer):
            super().on_validation_epoch_start(trainer, pl_module)

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps the average in the model: the task's own hook runs after this one and may translate samples."""

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Swaps the trained weights back before a checkpoint is written."""
        if is_fit_validation(trainer):
            super().on_validation_epoch_end(trainer, pl_module)

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restores both sets of weights to resume training; a test keeps the loaded average."""
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
    """Non-monotonically triggered averaging (NT-ASGD).

    Averaging starts when a validation is worse than the best of those at least ``patience`` validations before it
    (Merity et al. 2018, algorithm 1). From then on the average is the plain mean of the weights after every step, as in
    ``torch.optim.ASGD`` with ``lambd=0``; the optimizer does not change.

    Args:
        metric: name of the metric that is compared.
        mode: ``min`` or ``max``, whether smaller or larger is better.
        patience: number of most recent validations that are not compared with.
    """

    def __init__(self, metric: str, mode: str, patience: int) -> None:
        super().__init__(mean_share)
        self._metric, self._sign, self._patience = metric, 1.0 if mode == "min" else -1.0, patience
        self._values: list[float] = []
        self._begun: int | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores the start of averaging, if it was triggered before the checkpoint."""
        self._first = NEVER if self._begun is None else self._begun

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Swaps the trained weights back, and starts averaging if the metric triggers it."""
        super().on_validation_end(trainer, pl_module)
        if self._begun is not None or not is_fit_validation(trainer) or self._metric not in trainer.callback_metrics:
            return
        value = self._sign * float(trainer.callback_metrics[self._metric])
        earlier = self._values[: max(len(self._values) - self._patience, 0)]
        self._values.append(value)
        if earlier and value > min(earlier):
            self._begun = self._first = trainer.global_step
            log.info("%s has stopped improving: averaging starts after step %d.", self._metric, self._begun)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The values of past validations, and the step at which averaging started."""
        return {**super().state_dict(), "values": self._values, "begun": self._begun}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._values, self._begun = list(state_dict["values"]), state_dict["begun"]


def build_average(options: CallbackOptions, monitor: MonitorOptions) -> list[pl.Callback]:
    """The callback of `callbacks.average`; none for `none`."""
    if options.average == "ema":
        return [WeightAverage(ema_share(options.average_decay), options.average_start or 0.0)]
    if options.average == "swa":
        start = SWA_START if options.average_start is None else options.average_start
        return [WeightAverage(mean_share, start)]
    if options.average == "nt_asgd":
        return [TriggeredAverage(monitor.metric, monitor.mode, options.average_patience)]
    return []


def _check_averageable(trainer: pl.Trainer, average: nn.Module) -> None:
    messages = []
    if isinstance(trainer.strategy, FSDPStrategy):
        messages.append(
            "callbacks.average needs all weights in each process, but trainer.strategy=fsdp shards them: "
            "choose another strategy, or callbacks.average=none."
        )
    low_precision = {
        str(weight.dtype) for weight in average.parameters() if weight.is_floating_point() and weight.element_size() < 4
    }
    if low_precision:
        messages.append(
            f"callbacks.average makes updates that {low_precision.pop()} weights lose to rounding: set "
            "trainer.precision to 32-true, bf16-mixed or 16-mixed, or callbacks.average=none."
        )
    if messages:
        raise UserError(*messages)
