"""Language models: what is optimised and what is measured."""

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
from seqvise.models.awd_lstm.model import AwdLstm, StreamState, activation_penalty, detached
from seqvise.models.interface import PAD
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import TextTask
from seqvise.tasks.distributed_means import Totals, stack_processes
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import Sample, spread

METRICS = ("loss", "ppl", "accuracy")
"""Logged as ``val/<name>`` and ``test/<name>``."""
STATE = "stream_state"
PROMPT, CONTINUED = 5, 30
"""Words of a sample that are given, and words that are drawn behind them at most."""


class LanguageModel(TextTask):
    """Trains a language model on a stream of words, window by window, its state carried from one to the next.

    ``loss`` is the mean over all words, ``ppl`` its exponential, ``accuracy`` the share of words that were the
    likeliest. ``train/loss`` is the cross entropy alone; what is minimised has the activation penalties, too. A
    validation begins with no state, and leaves that of training as it was.

    Args:
        model: an ``AwdLstm``.
        loss, optimizer, schedule, monitor, seed: as of ``TextTask``.
        store: the documents.
        bptt: steps of a usual window; with `model.rescale_rate` the rate of an optimizer step is multiplied by the
            steps of its window over this, or by the mean of its windows where it accumulates several.
        samples: beginnings of validation documents that are continued after each validation.
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
    def reader(self) -> AwdLstm:
        """The model by its type."""
        return cast(AwdLstm, self.model)

    def on_train_batch_start(self, batch: StreamBatch, batch_idx: int) -> None:
        """Seeds the step, and finds the factor of its rate."""
        super().on_train_batch_start(batch, batch_idx)
        rescales = bool(getattr(self.reader.options, "rescale_rate", False))
        self._factor = self._steps_of_window(batch, batch_idx) / self.bptt if rescales else 1.0

    def training_step(self, batch: StreamBatch, batch_idx: int) -> Tensor:
        """The window's share of the mean cross entropy of the optimizer step's words, and of the penalties."""
        read = self.reader(batch.inputs, None if batch.first else self._state_here())
        self.state = detached(read.state)
        options = self.loss_options
        total = self.reader.generator.loss(
            read.outputs.flatten(0, 1), batch.targets.flatten(), options.label_smoothing, options.chunk,
            self._product_dtype(), options.sampled,
        )  # fmt: skip
        loss = total / batch.targets.numel()
        self.last_tokens = batch.targets.numel()
        self.log("train/loss", loss.detach())
        model, shares = self.reader.options, self._scales(batch, batch_idx).means
        return loss * shares[0] + activation_penalty(read, model.activation, model.temporal, shares=shares[:2])

    def loss_counts(self, batch: StreamBatch) -> tuple[int, ...]:
        """Words, pairs of neighbouring words, and columns."""
        columns, steps = batch.targets.shape
        return columns * steps, columns * (steps - 1), columns

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """A step at the rate that suits the number of words."""
        with rescaled(optimizer, self._factor):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def validation_step(self, batch: StreamBatch, batch_idx: int) -> None:
        """Adds a window to the validation's sums."""
        self._evaluate(batch)

    def test_step(self, batch: StreamBatch, batch_idx: int) -> None:
        """Adds a window to the test's sums."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*`` and continues samples."""
        self._log_scores("val")
        part = self.store.part("valid")
        assert part is not None
        self.samples = self._continue(part)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/*``."""
        self._log_scores("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the state of every process."""
        super().on_save_checkpoint(checkpoint)
        if self.state is not None:
            checkpoint[STATE] = [[stack_processes(part) for part in layer] for layer in self.state]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on with the state of this process.

        Raises:
            UserError: it was saved by another number of processes.
        """
        super().on_load_checkpoint(checkpoint)
        saved: list[list[Tensor]] | None = checkpoint.get(STATE)
        if saved is None or self._trainer is None or self.trainer.state.fn != "fit":
            return
        world = self.trainer.world_size
        if len(saved[0][0]) != world:
            raise UserError(
                f"The run began with {len(saved[0][0])} processes, but would go on with {world}: set trainer.devices "
                "as it was."
            )
        self.state = tuple(tuple(part[self.global_rank] for part in layer) for layer in saved)

    def _steps_of_window(self, batch: StreamBatch, batch_idx: int) -> float:
        """Steps of the window; of those that an optimizer step adds up, the mean."""
        if self._batches_a_step == 1:
            return batch.inputs.shape[1]
        totals = self._totals_of_step(batch, batch_idx)
        return float(totals[0] / totals[2])

    def _start_evaluation(self) -> None:
        self._totals = Totals()

    @torch.no_grad()
    def _evaluate(self, batch: StreamBatch) -> None:
        read = self.reader(batch.inputs, None if batch.first else self._validation_state)
        self._validation_state = read.state
        real = batch.targets != PAD
        loss, right = self.reader.generator.scores(
            read.outputs[real], batch.targets[real], self.loss_options.chunk, self._product_dtype()
        )
        self._totals.add("loss", loss, batch.token_count)
        self._totals.add("accuracy", right, batch.token_count)

    def _log_scores(self, stage: str) -> None:
        means = self._totals.means(self.device)
        means["ppl"] = math.exp(min(means["loss"], 80.0))
        for name in METRICS:
            self.log(f"{stage}/{name}", means[name], rank_zero_only=False)

    def _continue(self, part: TextPart) -> list[Sample]:
        """What the model draws behind the first words of some documents."""
        long = np.flatnonzero(part.documents.lengths > PROMPT + 1)
        rows = [int(long[place]) for place in spread(len(long), self.sample_count)]
        if not rows:
            return []
        documents = [part.documents[row] for row in rows]
        prompts = torch.tensor(np.stack([ids[:PROMPT] for ids in documents]).astype(np.int64), device=self.device)
        said = continuations(self.reader, prompts, CONTINUED, self.seed)
        codec = self.store.codec
        words = [codec.words(ids) for ids in said]
        return [
            Sample(
                codec.decode(ids[:PROMPT]), codec.decode(ids[PROMPT:]), codec.text(own), codec.words(ids[:PROMPT]), own
            )
            for ids, own in zip(documents, words, strict=True)
        ]

    def _state_here(self) -> StreamState | None:
        """The state, on the device of the model also where a checkpoint has brought it."""
        if self.state is None:
            return None
        return tuple(tuple(part.to(self.device) for part in layer) for layer in self.state)


@contextmanager
def rescaled(optimizer: Optimizer, factor: float) -> Iterator[None]:
    """Multiplies the rate of every group inside the block."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * factor
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
