"""How likely a model finds the references."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqvise.models.interface import PAD, UNK, PairBatch, Seq2SeqModel, pad, source_batch
from seqvise.models.softmax.chunked import linear_cross_entropy

Ids = NDArray[np.int32]

MOST_STEPS = 2**14
"""Source and target steps of a batch, padding included, so that one long line does not fill the memory."""


@dataclass(frozen=True)
class ReferenceLoss:
    """The loss of references read word by word (teacher forcing), in float32.

    Attributes:
        loss: nats a word, the mean over ``words``; infinite or NaN where the model's numbers are.
        words: words of the references, ``<eos>`` of each included.
        unknown: how many of them the vocabulary lacks; the loss is that of ``<unk>`` there.
    """

    loss: float
    words: int
    unknown: int

    @property
    def perplexity(self) -> float:
        """``exp(loss)``, infinite where that is no number of a computer."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


@torch.inference_mode()
def reference_loss(
    model: Seq2SeqModel[Any, Any], sources: Sequence[Ids], targets: Sequence[Ids], batch_size: int, device: torch.device
) -> ReferenceLoss:
    """The model's loss on pairs.

    Args:
        model: in evaluation mode.
        sources: N > 0 sentences in ids, ``EOS`` included.
        targets: their references.
        batch_size: most pairs of a batch.
        device: where the model is.
    """
    total = sum(_batch_loss(model, sources, targets, rows, device) for rows in _batches(sources, targets, batch_size))
    words = sum(len(ids) for ids in targets)
    return ReferenceLoss(total / words, words, sum(int((ids == UNK).sum()) for ids in targets))


def _batch_loss(
    model: Seq2SeqModel[Any, Any], sources: Sequence[Ids], targets: Sequence[Ids], rows: list[int], device: torch.device
) -> float:
    target, _ = pad([targets[row] for row in rows])
    batch = PairBatch(source_batch([sources[row] for row in rows]), target, torch.tensor(rows)).to(device)
    real = batch.target != PAD
    project = model.generator
    return float(linear_cross_entropy(model(batch)[real], project.weight, project.bias, batch.target[real]))


def _batches(sources: Sequence[Ids], targets: Sequence[Ids], batch_size: int) -> Iterator[list[int]]:
    """Rows of like lengths together, longest first."""
    order = sorted(range(len(sources)), key=lambda row: (-len(targets[row]), -len(sources[row])))
    batch: list[int] = []
    widest = 0
    for row in order:
        widest = max(widest, len(sources[row]))
        steps = (widest + len(targets[(batch or [row])[0]])) * (len(batch) + 1)
        if batch and (len(batch) == batch_size or steps > MOST_STEPS):
            yield batch
            batch, widest = [], len(sources[row])
        batch.append(row)
    if batch:
        yield batch
