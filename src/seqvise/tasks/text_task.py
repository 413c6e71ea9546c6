"""What tasks on documents have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import nn

from seqvise.callbacks.options import ScheduleOptions
from seqvise.errors import UserError
from seqvise.tasks.optimizers import build_optimizer, with_plateau
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.precision import choose_precision
from seqvise.tasks.totals import distributed
from seqvise.tasks.translation import dropout_of, seed_of


class TextTask(pl.LightningModule):
    """Optimizer, seeds, scheduled dropout, and groups of parameters that are trained in stages.

    Args:
        model: has ``options`` with ``unfreeze``, and ``unfreeze(epoch)``.
        loss: the `loss` node.
        optimizer: the `optimizer` node.
        schedule: the `schedule` node; `schedule.others.dropout` moves the factor of all dropouts.
        monitor: the `monitor` node.
        seed: with rank, epoch and batch it decides every random draw of training.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: LossOptions,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        monitor: MonitorOptions,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.seed = model, seed
        self.loss_options, self.optimizer_options = loss, optimizer
        self.schedule_options, self.monitor = schedule, monitor
        self.scheduled: dict[str, float] = {}
        self.dropout = dropout_of(model)
        if self.dropout is not None:
            self.scheduled["dropout"] = self.dropout.scale
        self.last_tokens = 0
        self.told: dict[str, str] = {}

    @property
    def precision_note(self) -> str:
        """The format of the vocabulary projection and why."""
        return choose_precision(self.loss_options.precision, self.device).reason

    def configure_optimizers(self) -> Any:
        """The optimizer; with `schedule=plateau` torch's scheduler, every other schedule is a callback's."""
        mixed = self._trainer is not None and str(self.trainer.precision).endswith("-mixed")
        optimizer = build_optimizer(self.model, self.optimizer_options, fused=not mixed)
        return with_plateau(optimizer, self.schedule_options, self.monitor)

    def on_fit_start(self) -> None:
        """Refuses what several processes cannot do.

        Raises:
            UserError: groups are to be trained after the start, which the other processes would not hear of.
        """
        epochs: Sequence[int] | None = getattr(getattr(self.model, "options", None), "unfreeze", None)
        if self.trainer.world_size > 1 and epochs is not None and any(epochs):
            raise UserError(
                f"model.unfreeze is {list(epochs)}, but several processes train the same groups from the start: set "
                "model.unfreeze=null, or trainer.devices=1."
            )
        self._unfreeze()

    def on_train_start(self) -> None:
        """Trains the groups whose epoch has come, where training resumes in the middle of one."""
        self._unfreeze()

    def on_train_epoch_start(self) -> None:
        """Trains the groups whose epoch has come."""
        self._unfreeze()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seeds the step by its place alone, so that a resumed run draws what the uninterrupted one would have."""
        if self.dropout is not None:
            self.dropout.scale = self.scheduled["dropout"]
        torch.manual_seed(seed_of(self.seed, self.global_rank, self.current_epoch, batch_idx))

    def _unfreeze(self) -> None:
        unfreeze = cast("Callable[[int], None] | None", getattr(self.model, "unfreeze", None))
        if unfreeze is not None:
            unfreeze(self.current_epoch)


def world_size() -> int:
    """Processes that train together."""
    return torch.distributed.get_world_size() if distributed() else 1
