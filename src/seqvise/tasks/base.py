"""What tasks have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from seqvise.errors import UserError
from seqvise.machine import has_bf16
from seqvise.models.options import ScaledDropoutOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.distributed_means import on_device, sum_over_processes, world_size
from seqvise.tasks.optimizers import build_optimizer, with_plateau
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions


class ProjectionPrecision(NamedTuple):
    """The format, and a sentence that says why."""

    dtype: torch.dtype
    reason: str


def choose_precision(wanted: str, device: torch.device) -> ProjectionPrecision:
    """The format of the projection's products.

    Args:
        wanted: ``fp32``, ``bf16``, or ``auto``: bfloat16 where the device multiplies it in hardware.
        device: where the model runs.
    """
    if wanted != "auto":
        dtype = torch.bfloat16 if wanted == "bf16" else torch.float32
        return ProjectionPrecision(dtype, f"{wanted} (loss.precision)")
    if has_bf16(device):
        return ProjectionPrecision(torch.bfloat16, f"bf16 ({device.type} multiplies it in hardware)")
    return ProjectionPrecision(torch.float32, f"fp32 ({device.type} has no fast bf16)")


STEP_TOTALS = "step_totals"


class Scales(NamedTuple):
    """Factors on the sums and on the means of a batch's loss, each (C,), one for each of ``loss_counts``.

    Those on means are exactly 1 where an optimizer step is one batch of one process.
    """

    sums: Tensor
    means: Tensor


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
        self.extra_metrics: dict[str, str] = {}
        self.last_share: Tensor | float = 1.0
        self._step_totals: Tensor | None = None

    def loss_counts(self, batch: Any) -> tuple[int, ...]:
        """How many values each mean in the loss of a batch is over; the first is that of the loss itself."""
        raise NotImplementedError

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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the counts of an optimizer step that is not over yet."""
        if self._step_totals is not None and self._batches_a_step > 1:
            checkpoint[STEP_TOTALS] = self._step_totals.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continues an optimizer step that was not over."""
        self._step_totals = checkpoint.get(STEP_TOTALS)

    @property
    def _batches_a_step(self) -> int:
        """Batches of an optimizer step; the last step of an epoch may have fewer."""
        return 1 if self._trainer is None else self.trainer.accumulate_grad_batches

    def _scales(self, batch: Any, batch_idx: int) -> Scales:
        """The factors that make an optimizer step minimise the means over all its batches, of all processes.

        Lightning divides a loss by the batches of a step, and DDP averages over processes.

        Raises:
            UserError: a step has several batches, which do not know their counts.
        """
        totals = self._totals_of_step(batch, batch_idx)
        parts = world_size() * self._batches_a_step
        shares = on_device(self.loss_counts(batch), self.device) * parts / totals
        self.last_share = shares[0]
        return Scales(parts / totals, shares)

    def _totals_of_step(self, batch: Any, batch_idx: int) -> Tensor:
        """``loss_counts`` over all batches of the step and all processes, (C,); 1 where there is nothing to count."""
        if self._step_totals is None or batch_idx % self._batches_a_step == 0:
            totals = sum_over_processes(self._counts_of_step(batch), self.device)
            self._step_totals = totals.clamp(min=1)
        return self._step_totals.to(self.device)

    def _counts_of_step(self, batch: Any) -> tuple[int, ...]:
        """``loss_counts`` over this process's batches of the step."""
        if self._batches_a_step == 1:
            return self.loss_counts(batch)
        counts: tuple[int, ...] = getattr(batch, "step_counts", ())
        if not counts:
            raise UserError(
                f"trainer.accumulate_grad_batches is {self._batches_a_step}, but the batches do not know how many "
                "values their optimizer step counts: put the training loader into "
                "seqvise.datamodules.counted.CountedLoader."
            )
        return counts

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
