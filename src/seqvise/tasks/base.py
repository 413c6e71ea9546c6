"""What tasks have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from seqvise.callbacks.options import ScheduleOptions
from seqvise.errors import UserError
from seqvise.models.options import ScaledDropoutOptions
from seqvise.tasks.optimizers import build_optimizer, with_plateau
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.precision import choose_precision


class Task(pl.LightningModule):
    """Optimizer, seeds, scheduled dropout, groups of parameters that are trained in stages, sums of an evaluation.

    Args:
        model: with ``groups`` it has ``options.unfreeze`` and ``unfreeze(epoch)``, too.
        optimizer: the `optimizer` node.
        schedule: the `schedule` node; `schedule.others.dropout` moves the factor of all dropouts.
        monitor: the `monitor` node.
        seed: with rank, epoch and batch it decides every random draw of training.
    """

    all_at_once: ClassVar[str] = "null"
    """The value of `model.unfreeze` with which all groups are trained from the start."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        monitor: MonitorOptions,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.seed = model, seed
        self.optimizer_options, self.schedule_options, self.monitor = optimizer, schedule, monitor
        self.scheduled: dict[str, float] = {}
        self.dropout = dropout_of(model)
        if self.dropout is not None:
            self.scheduled["dropout"] = self.dropout.scale
        self.told: dict[str, str] = {}

    def configure_optimizers(self) -> Any:
        """The optimizer; with `schedule=plateau` torch's scheduler, every other schedule is a callback's."""
        # Lightning clips no gradients of a fused optimizer in mixed precision.
        mixed = self._trainer is not None and str(self.trainer.precision).endswith("-mixed")
        optimizer = build_optimizer(self.model, self.optimizer_options, fused=not mixed)
        every = None if self._trainer is None else self.trainer.check_val_every_n_epoch
        return with_plateau(optimizer, self.schedule_options, self.monitor, every or 1)

    def on_fit_start(self) -> None:
        """Refuses what several processes cannot do.

        Raises:
            UserError: groups are to be trained after the start, which the other processes would not hear of.
        """
        epochs: Sequence[int] | None = getattr(getattr(self.model, "options", None), "unfreeze", None)
        if self.trainer.world_size > 1 and getattr(self.model, "groups", None) and epochs is not None and any(epochs):
            raise UserError(
                f"model.unfreeze is {list(epochs)}, but several processes train the same groups from the start: set "
                f"model.unfreeze={self.all_at_once}, or trainer.devices=1."
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

    def on_validation_epoch_start(self) -> None:
        """Starts the sums anew."""
        self._start_evaluation()

    def on_test_epoch_start(self) -> None:
        """Starts the sums anew."""
        self._start_evaluation()

    def _start_evaluation(self) -> None:
        """Forgets what an earlier evaluation has summed up."""
        raise NotImplementedError

    def _unfreeze(self) -> None:
        unfreeze = cast("Callable[[int], None] | None", getattr(self.model, "unfreeze", None))
        if unfreeze is not None:
            unfreeze(self.current_epoch)


class TextTask(Task):
    """A task whose loss is a cross entropy.

    Args:
        model, optimizer, schedule, monitor, seed: as of ``Task``.
        loss: the `loss` node.
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
        super().__init__(model, optimizer, schedule, monitor, seed)
        self.loss_options = loss
        self.last_tokens = 0

    @property
    def precision_note(self) -> str:
        """The format of the vocabulary projection and why."""
        return choose_precision(self.loss_options.precision, self.device).reason

    def _product_dtype(self) -> torch.dtype:
        """The format of the vocabulary projection."""
        return choose_precision(self.loss_options.precision, self.device).dtype


def dropout_of(model: nn.Module) -> ScaledDropoutOptions | None:
    """The dropouts of a model's options, whose common factor can be scheduled; None where it has none such."""
    found = getattr(getattr(model, "options", None), "dropout", None)
    return found if isinstance(found, ScaledDropoutOptions) else None


def seed_of(*place: int) -> int:
    """A 64-bit seed that differs in every bit from those of neighbouring places."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])
