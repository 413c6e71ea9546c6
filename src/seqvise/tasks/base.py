"""Base classes of the tasks (LightningModules): optimizer, seeds, scheduled dropout, unfreezing, evaluation sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from seqvise.datamodules.sampler import CountedBatch
from seqvise.errors import UserError
from seqvise.machine import has_bf16
from seqvise.models.interface import (
    GroupedModel,
    ModelWithOptions,
    OptionsWithDropout,
    Projection,
    UnfreezableModel,
    UnfreezeOptions,
)
from seqvise.models.options import ScaledDropoutOptions
from seqvise.models.softmax.generator import projection_loss
from seqvise.moved import current_state_key
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.distributed_means import on_device, sum_over_processes, world_size
from seqvise.tasks.optimizers import build_optimizer, with_plateau
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import TaskFields


class ProjectionPrecision(NamedTuple):
    """The dtype and the reason for it, for the log."""

    dtype: torch.dtype
    reason: str


def choose_precision(precision: str, device: torch.device) -> ProjectionPrecision:
    """The dtype of the products with the vocabulary projection.

    Args:
        precision: ``fp32``, ``bf16``, or ``auto``: bfloat16 if the device multiplies it in hardware.
        device: of the model.
    """
    if precision != "auto":
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        return ProjectionPrecision(dtype, f"{precision} (loss.precision)")
    if has_bf16(device):
        return ProjectionPrecision(torch.bfloat16, f"bf16 ({device.type} multiplies it in hardware)")
    return ProjectionPrecision(torch.float32, f"fp32 ({device.type} has no fast bf16)")


FULL = "32-true"
PRECISION_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
STEP_TOTALS = "step_totals"
MetricFunction: TypeAlias = Callable[[Sequence[str], Sequence[str]], float]
"""A metric of the user's own: outputs and references of N examples to a number."""


class Scales(NamedTuple):
    """Factors for the sums and for the means of a batch's loss, each (C,), one per entry of ``loss_counts``.

    The factors for means are exactly 1 if an optimizer step is one batch of one process.
    """

    sums: Tensor
    means: Tensor


class Task(pl.LightningModule, TaskFields):
    """Base of all tasks: optimizer, seeds, scheduled dropout, gradual unfreezing, evaluation sums.

    Args:
        model: the model. A model with ``groups`` must also have ``options.unfreeze`` and ``unfreeze(epoch)``.
        optimizer: the `optimizer` node.
        schedule: the `schedule` node; `schedule.others.dropout` schedules the scale of all dropouts.
        monitor: the `monitor` node.
        seed: with rank, epoch and batch it determines every random draw of training.
    """

    has_outputs: ClassVar[bool] = False
    """Whether evaluations call ``log_functions``, so that `metrics` can name functions of the user's own."""
    unfreeze_all: ClassVar[str] = "null"
    """The value of `model.unfreeze` that trains all groups from the start."""

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
        self.metric_functions: Mapping[str, MetricFunction] = {}
        self.last_share: Tensor | float = 1.0
        self._step_totals: Tensor | None = None

    def loss_counts(self, batch: Any) -> tuple[int, ...]:
        """The number of values in each mean of a batch's loss; the first is that of the loss itself."""
        raise NotImplementedError

    def configure_optimizers(self) -> Any:
        """The optimizer, with torch's scheduler for `schedule=plateau`; a callback applies all other schedules."""
        # Lightning cannot clip gradients of a fused optimizer in mixed precision.
        mixed = self._trainer is not None and str(self.trainer.precision).endswith("-mixed")
        optimizer = build_optimizer(self.model, self.optimizer_options, fused=not mixed)
        val_interval = None if self._trainer is None else self.trainer.check_val_every_n_epoch
        return with_plateau(optimizer, self.schedule_options, self.monitor, val_interval or 1)

    def on_fit_start(self) -> None:
        """Checks that unfreezing is possible with the trainer's processes.

        Raises:
            UserError: several processes, and groups that are unfrozen after the start: DDP would not synchronise them.
        """
        model = self.model
        options = model.options if isinstance(model, GroupedModel) and model.groups else None
        epochs = options.unfreeze if isinstance(options, UnfreezeOptions) else None
        if self.trainer.world_size > 1 and epochs is not None and any(epochs):
            raise UserError(
                f"model.unfreeze is {list(epochs)}, but with several processes all groups must be trained from the "
                f"start: set model.unfreeze={self.unfreeze_all}, or trainer.devices=1."
            )
        self._unfreeze()

    def on_train_start(self) -> None:
        """Unfreezes the groups whose epoch is reached, for training that resumes within an epoch."""
        self._unfreeze()

    def on_train_epoch_start(self) -> None:
        """Unfreezes the groups whose epoch is reached."""
        self._unfreeze()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seeds the step from rank, epoch and batch only, so that a resumed run equals an uninterrupted one."""
        if self.dropout is not None:
            self.dropout.scale = self.scheduled["dropout"]
        torch.manual_seed(seed_of(self.seed, self.global_rank, self.current_epoch, batch_idx))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Saves the counts of an unfinished optimizer step."""
        if self._step_totals is not None and self._batches_per_step > 1:
            checkpoint[STEP_TOTALS] = self._step_totals.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the counts of an unfinished optimizer step, and renames the states of callbacks.

        Lightning calls this hook before it looks up the states, whose keys contain the name of the monitored metric.
        """
        self._step_totals = checkpoint.get(STEP_TOTALS)
        if states := checkpoint.get("callbacks"):
            checkpoint["callbacks"] = {current_state_key(key): state for key, state in states.items()}

    @property
    def _batches_per_step(self) -> int:
        """Batches per optimizer step; the last step of an epoch may have fewer."""
        return 1 if self._trainer is None else self.trainer.accumulate_grad_batches

    def _scales(self, batch: Any, batch_idx: int) -> Scales:
        """The factors with which an optimizer step minimises the means over all its batches and all processes.

        They cancel the divisions by Lightning (by the batches of a step) and by DDP (by the number of processes).

        Raises:
            UserError: a step has several batches, which have no ``step_counts``.
        """
        totals = self._step_totals_of(batch, batch_idx)
        divisor = world_size() * self._batches_per_step
        shares = on_device(self.loss_counts(batch), self.device) * divisor / totals
        self.last_share = shares[0]
        return Scales(divisor / totals, shares)

    def _step_totals_of(self, batch: Any, batch_idx: int) -> Tensor:
        """``loss_counts`` summed over all batches of the step and all processes, (C,), at least 1 each."""
        if self._step_totals is None or batch_idx % self._batches_per_step == 0:
            totals = sum_over_processes(self._step_counts_of(batch), self.device)
            self._step_totals = totals.clamp(min=1)
        return self._step_totals.to(self.device)

    def _step_counts_of(self, batch: Any) -> tuple[int, ...]:
        """``loss_counts`` summed over this process's batches of the step."""
        if self._batches_per_step == 1:
            return self.loss_counts(batch)
        counts = batch.step_counts if isinstance(batch, CountedBatch) else ()
        if not counts:
            raise UserError(
                f"trainer.accumulate_grad_batches is {self._batches_per_step}, but the batches have no step_counts: "
                "wrap the training loader in seqvise.datamodules.sampler.CountedLoader, or set "
                "trainer.accumulate_grad_batches=1."
            )
        return counts

    def on_validation_epoch_start(self) -> None:
        """Resets the sums."""
        self._start_evaluation()

    def on_test_epoch_start(self) -> None:
        """Resets the sums."""
        self._start_evaluation()

    def log_functions(self, stage: str, outputs: Sequence[str], references: Sequence[str]) -> None:
        """Logs the metrics that `metrics` names, on every process.

        Args:
            stage: ``val`` or ``test``.
            outputs, references: of all examples of the evaluation.

        Raises:
            RuntimeError: a function fails or returns no number; the message names it.
        """
        for name, function in self.metric_functions.items():
            try:
                value = float(function(outputs, references))
            except Exception as error:
                raise RuntimeError(f"The function {name} of metrics failed: {type(error).__name__}: {error}") from error
            self.log(f"{stage}/{name}", value, rank_zero_only=False)

    def _start_evaluation(self) -> None:
        """Resets the sums of the previous evaluation."""
        raise NotImplementedError

    def _unfreeze(self) -> None:
        if isinstance(self.model, UnfreezableModel):
            self.model.unfreeze(self.current_epoch)


class TextTask(Task):
    """Base of the tasks with a cross-entropy loss.

    Args:
        model, optimizer, schedule, monitor, seed: see ``Task``.
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
    def precision_note(self) -> str | None:
        """The precision of the trainer, and that of the vocabulary projection with its reason."""
        reason = choose_precision(self.loss_options.precision, self.device).reason
        return f"{self._trainer_precision}; output projection {reason}"

    @property
    def projection_precision(self) -> str | None:
        """The precision of the vocabulary projection."""
        return PRECISION_NAMES[self._product_dtype()]

    @property
    def _trainer_precision(self) -> str:
        name = FULL if self._trainer is None else str(self.trainer.precision)
        return "fp32" if name == FULL else name

    def _product_dtype(self) -> torch.dtype:
        """The dtype of the vocabulary projection."""
        return choose_precision(self.loss_options.precision, self.device).dtype

    def _summed_loss(self, generator: Projection, outputs: Tensor, targets: Tensor, training: bool = False) -> Tensor:
        """The sum over rows of the cross entropy, with the precision and the chunks of the `loss` node.

        Args:
            generator: the projection to the vocabulary.
            outputs: (N, D).
            targets: (N,) int64.
            training: apply label smoothing and sampling as set in `loss`.
        """
        options = self.loss_options
        smoothing, sampled = (options.label_smoothing, options.sampled) if training else (0.0, None)
        return projection_loss(generator)(outputs, targets, smoothing, options.chunk, self._product_dtype(), sampled)


def dropout_of(model: nn.Module) -> ScaledDropoutOptions | None:
    """A model's dropout options, whose common scale can be scheduled; None if it has none."""
    options = model.options if isinstance(model, ModelWithOptions) else None
    dropout = options.dropout if isinstance(options, OptionsWithDropout) else None
    return dropout if isinstance(dropout, ScaledDropoutOptions) else None


def seed_of(*indices: int) -> int:
    """A 64-bit seed from seed, rank, epoch and batch; neighbouring indices have uncorrelated seeds."""
    return int(np.random.SeedSequence(indices).generate_state(1, np.uint64)[0])
