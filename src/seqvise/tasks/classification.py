"""The document classification task: loss and metrics."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.datamodules.documents import LabelBatch
from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.awd_lstm.model import activation_penalty
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import TextTask
from seqvise.tasks.distributed_means import Totals, distributed
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import Counts


def accuracy(counts: Counts) -> float:
    """The share of correct predictions. counts: (L, L), rows are true labels, columns predicted labels."""
    return float(np.trace(counts) / max(counts.sum(), 1))


def f1_scores(counts: Counts) -> NDArray[np.float64]:
    """(L,) F1 of each label, the harmonic mean of precision and recall; 0 if neither is defined."""
    correct = np.diag(counts).astype(np.float64)
    total = counts.sum(0) + counts.sum(1)
    scores: NDArray[np.float64] = np.divide(2 * correct, total, out=np.zeros_like(correct), where=total > 0)
    return scores


def macro_f1(counts: Counts) -> float:
    """The mean F1 over labels that occur or are predicted."""
    present = counts.sum(0) + counts.sum(1) > 0
    return float(f1_scores(counts)[present].mean()) if present.any() else 0.0


class Classification(TextTask):
    """Trains a classifier of documents.

    ``loss`` is the mean cross entropy of the true labels, ``accuracy`` the share of correct predictions, and ``f1`` the
    macro-averaged F1. The user's metrics compare predicted with true labels, in any order. ``train/loss`` is the cross
    entropy; the minimised loss also includes the activation penalties.

    Args:
        model: a ``TextClassifier``.
        loss, optimizer, schedule, monitor, seed: see ``TextTask``.
        labels: names of the labels.
    """

    unit = "documents"
    has_outputs = True

    def __init__(
        self,
        model: nn.Module,
        loss: LossOptions,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        monitor: MonitorOptions,
        seed: int,
        labels: tuple[str, ...],
    ) -> None:
        super().__init__(model, loss, optimizer, schedule, monitor, seed)
        self.labels = labels
        self.confusion: Counts | None = None

    @property
    def precision_note(self) -> str:
        """The trainer's precision: a classifier has no vocabulary projection."""
        return self._trainer_precision

    @property
    def projection_precision(self) -> None:
        """None: a classifier has no vocabulary projection."""
        return None

    @property
    def classifier(self) -> TextClassifier:
        """The model, with its type."""
        return cast(TextClassifier, self.model)

    def training_step(self, batch: LabelBatch, batch_idx: int) -> Tensor:
        """The batch's share of the optimizer step's loss: mean cross entropy over documents plus the penalties."""
        output = self.classifier(batch.documents)
        smoothing = self.loss_options.label_smoothing
        total = F.cross_entropy(output.logits.float(), batch.labels, reduction="sum", label_smoothing=smoothing)
        scales, options = self._scales(batch, batch_idx), self.classifier.options
        loss = total * scales.sums[0]
        self.log("train/loss", loss.detach() / self.last_share)
        real = batch.documents.mask()
        return loss + activation_penalty(output.encoded, options.activation, options.temporal, real, scales.means[1:])

    def loss_counts(self, batch: LabelBatch) -> tuple[int, ...]:
        """The numbers of documents, words, and pairs of neighbouring words."""
        return len(batch), batch.token_count, batch.token_count - len(batch)

    def validation_step(self, batch: LabelBatch, batch_idx: int) -> None:
        """Adds a batch to the sums of the validation."""
        self._evaluate(batch)

    def test_step(self, batch: LabelBatch, batch_idx: int) -> None:
        """Adds a batch to the sums of the test."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*`` and stores the confusion matrix."""
        self.confusion = self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/*``."""
        self._log_scores("test")

    def _start_evaluation(self) -> None:
        self._totals = Totals()
        self._counts = torch.zeros(len(self.labels), len(self.labels), dtype=torch.int64, device=self.device)

    @torch.no_grad()
    def _evaluate(self, batch: LabelBatch) -> None:
        logits = self.classifier(batch.documents).logits.float()
        self._totals.add("loss", F.cross_entropy(logits, batch.labels, reduction="sum"), len(batch))
        cells = batch.labels * len(self.labels) + logits.argmax(1)
        self._counts += torch.bincount(cells, minlength=self._counts.numel()).view_as(self._counts)

    def _log_scores(self, stage: str) -> Counts:
        if distributed():
            dist.all_reduce(self._counts)
        counts: Counts = np.asarray(self._counts.cpu().numpy())
        means = self._totals.means(self.device)
        for name, value in {**means, "accuracy": accuracy(counts), "f1": macro_f1(counts)}.items():
            self.log(f"{stage}/{name}", value, rank_zero_only=False)
        true, predicted = (index.repeat(counts.flatten()).tolist() for index in np.indices(counts.shape).reshape(2, -1))
        self.log_functions(stage, *([self.labels[label] for label in labels] for labels in (predicted, true)))
        return counts
