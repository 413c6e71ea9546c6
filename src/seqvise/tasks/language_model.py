"""The language model task: loss, metrics, and the state carried between windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.datamodules.stream import StreamBatch
from seqvise.decoding.sampling import continuations
from seqvise.errors import UserError
from seqvise.models.awd_lstm.model import AwdLstm, StreamState, activation_penalty, detach_state
from seqvise.models.interface import PAD
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import TextTask
from seqvise.tasks.distributed_means import Totals, stack_processes
from seqvise.tasks.options import LANGUAGE_METRICS, LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import Sample, evenly_spaced

STATE = "stream_state"
PROMPT, CONTINUED = 5, 30
"""Length of a sample's prompt, and maximum length of its continuation."""


class LanguageModel(TextTask):
    """Trains a language model on a stream of words, window by window; each window starts from the previous state.

    ``loss`` is the mean over all words, ``ppl`` its exponential, and ``accuracy`` the share of words that are the most
    likely prediction. ``train/loss`` is the cross entropy; the minimised loss also includes the activation penalties.
    Validation starts without a state and does not change the state of training.

    Args:
        model: an ``AwdLstm``.
        loss, optimizer, schedule, monitor, seed: see ``TextTask``.
        store: the documents.
        bptt: usual number of steps in a window. With `model.rescale_rate`, the learning rate of an optimizer step is
            multiplied by its window's steps divided by this number; with accumulation, by the mean over its windows.
        samples: number of validation documents whose beginnings are continued after each validation.
    """

    unit = "tokens"

    def __init__(
        self,
        model: nn.Module,
        loss: LossOptions,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        monitor: MonitorOptions,
        store: TextStore,
        seed: int,
        bptt: int,
        samples: int = 8,
    ) -> None:
        super().__init__(model, loss, optimizer, schedule, monitor, seed)
        self.store, self.bptt, self.sample_count = store, bptt, samples
        self.samples: list[Sample] = []
        self.state: StreamState | None = None
        self._validation_state: StreamState | None = None
        self._factor = 1.0

    @property
    def language_model(self) -> AwdLstm:
        """The model, with its type."""
        return cast(AwdLstm, self.model)

    def on_train_batch_start(self, batch: StreamBatch, batch_idx: int) -> None:
        """Seeds the step, and computes the factor of its learning rate."""
        super().on_train_batch_start(batch, batch_idx)
        rescales = self.language_model.options.rescale_rate
        self._factor = self._steps_of_window(batch, batch_idx) / self.bptt if rescales else 1.0

    def training_step(self, batch: StreamBatch, batch_idx: int) -> Tensor:
        """The window's share of the optimizer step's loss: mean cross entropy over words plus the penalties."""
        output = self.language_model(batch.inputs, None if batch.first else self._state_on_device())
        self.state = detach_state(output.state)
        outputs, targets = output.outputs.flatten(0, 1), batch.targets.flatten()
        total = self._summed_loss(self.language_model.generator, outputs, targets, training=True)
        loss = total / batch.targets.numel()
        self.last_tokens = batch.targets.numel()
        self.log("train/loss", loss.detach())
        model_options, shares = self.language_model.options, self._scales(batch, batch_idx).means
        return loss * shares[0] + activation_penalty(
            output, model_options.activation, model_options.temporal, shares=shares[:2]
        )

    def loss_counts(self, batch: StreamBatch) -> tuple[int, ...]:
        """The numbers of words, pairs of neighbouring words, and columns."""
        columns, steps = batch.targets.shape
        return columns * steps, columns * (steps - 1), columns

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """A step at a learning rate scaled by the window's length."""
        with rescaled(optimizer, self._factor):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def validation_step(self, batch: StreamBatch, batch_idx: int) -> None:
        """Adds a window to the sums of the validation."""
        self._evaluate(batch)

    def test_step(self, batch: StreamBatch, batch_idx: int) -> None:
        """Adds a window to the sums of the test."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*`` and generates samples."""
        self._log_scores("val")
        part = self.store.part("valid")
        assert part is not None
        self.samples = self._continue(part)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/*``."""
        self._log_scores("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Saves the state of every process."""
        super().on_save_checkpoint(checkpoint)
        if self.state is not None:
            checkpoint[STATE] = [[stack_processes(part) for part in layer] for layer in self.state]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the state of this process.

        Raises:
            UserError: the state was saved by a different number of processes.
        """
        super().on_load_checkpoint(checkpoint)
        saved: list[list[Tensor]] | None = checkpoint.get(STATE)
        if saved is None or self._trainer is None or self.trainer.state.fn != "fit":
            return
        world = self.trainer.world_size
        if len(saved[0][0]) != world:
            raise UserError(
                f"The run has {world} processes, but its checkpoint was saved by {len(saved[0][0])}, and the number "
                f"cannot change: set trainer.devices and trainer.num_nodes for {len(saved[0][0])} processes."
            )
        self.state = tuple(tuple(part[self.global_rank] for part in layer) for layer in saved)

    def _steps_of_window(self, batch: StreamBatch, batch_idx: int) -> float:
        """Steps of the window; the mean over the windows of an optimizer step that accumulates several."""
        if self._batches_per_step == 1:
            return batch.inputs.shape[1]
        totals = self._step_totals_of(batch, batch_idx)
        return float(totals[0] / totals[2])

    def _start_evaluation(self) -> None:
        self._totals = Totals()

    @torch.no_grad()
    def _evaluate(self, batch: StreamBatch) -> None:
        output = self.language_model(batch.inputs, None if batch.first else self._validation_state)
        self._validation_state = output.state
        real = batch.targets != PAD
        loss, correct = self.language_model.generator.scores(
            output.outputs[real], batch.targets[real], self.loss_options.chunk, self._product_dtype()
        )
        self._totals.add("loss", loss, batch.token_count)
        self._totals.add("accuracy", correct, batch.token_count)

    def _log_scores(self, stage: str) -> None:
        means = self._totals.means(self.device)
        means["ppl"] = math.exp(min(means["loss"], 80.0))
        for name in LANGUAGE_METRICS:
            self.log(f"{stage}/{name}", means[name], rank_zero_only=False)

    def _continue(self, part: TextPart) -> list[Sample]:
        """Samples: continuations of the first words of some documents."""
        long_enough = np.flatnonzero(part.documents.lengths > PROMPT + 1)
        rows = [int(long_enough[index]) for index in evenly_spaced(len(long_enough), self.sample_count)]
        if not rows:
            return []
        documents = [part.documents[row] for row in rows]
        prompts = torch.tensor(np.stack([ids[:PROMPT] for ids in documents]).astype(np.int64), device=self.device)
        tokens = continuations(self.language_model, prompts, CONTINUED, self.seed)
        codec = self.store.codec
        generated = [codec.words(ids) for ids in tokens]
        return [
            Sample(
                codec.decode(ids[:PROMPT]),
                codec.decode(ids[PROMPT : PROMPT + CONTINUED]),
                codec.text(words),
                codec.words(ids[:PROMPT]),
                words,
            )
            for ids, words in zip(documents, generated, strict=True)
        ]

    def _state_on_device(self) -> StreamState | None:
        """The state on the model's device; a state from a checkpoint may be on another one."""
        if self.state is None:
            return None
        return tuple(tuple(part.to(self.device) for part in layer) for layer in self.state)


@contextmanager
def rescaled(optimizer: Optimizer, factor: float) -> Iterator[None]:
    """Multiplies the learning rate of every group within the context."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * factor
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
