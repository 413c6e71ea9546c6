"""Loss and perplexity of references under a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqvise.models.interface import PAD, UNK, Seq2SeqModel, pair_batch
from seqvise.models.softmax.generator import projection_loss

Ids = NDArray[np.int32]

CHUNK = 512
"""Words projected at once."""
MAX_STEPS = 2**14
"""Maximum number of source and target steps in a batch, including padding, so that a long line does not exhaust the
memory."""


@dataclass(frozen=True)
class ReferenceLoss:
    """The teacher-forced loss of references, in float32."""

    loss: float  # mean loss per word in nats; infinite or NaN if the logits are
    word_count: int  # number of words in the references, including ``<eos>``
    unknown: int  # number of out-of-vocabulary words among them, which count with the loss of ``<unk>``

    @property
    def perplexity(self) -> float:
        """``exp(loss)``; infinite if it overflows."""
        return perplexity(self.loss)


def perplexity(loss: float) -> float:
    """``exp(loss)``; infinite if it overflows."""
    return math.exp(loss) if loss < 700 else math.inf


@torch.inference_mode()
def reference_loss(
    model: Seq2SeqModel[Any, Any], sources: Sequence[Ids], targets: Sequence[Ids], batch_size: int, device: torch.device
) -> ReferenceLoss:
    """The model's loss on pairs.

    Args:
        model: in evaluation mode.
        sources: ids of N > 0 sentences, including ``EOS``.
        targets: ids of their references, including ``EOS``.
        batch_size: maximum number of pairs in a batch.
        device: of the model.
    """
    total = sum(_batch_loss(model, sources, targets, rows, device) for rows in _batches(sources, targets, batch_size))
    word_count = sum(len(ids) for ids in targets)
    return ReferenceLoss(total / word_count, word_count, sum(int((ids == UNK).sum()) for ids in targets))


def _batch_loss(
    model: Seq2SeqModel[Any, Any], sources: Sequence[Ids], targets: Sequence[Ids], rows: list[int], device: torch.device
) -> float:
    batch = pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows, 1).to(device)
    real = batch.target != PAD
    return float(projection_loss(model.generator)(model(batch)[real], batch.target[real], 0.0, CHUNK, torch.float32))


def _batches(sources: Sequence[Ids], targets: Sequence[Ids], batch_size: int) -> Iterator[list[int]]:
    """Batches of rows with similar lengths, longest first."""
    order = sorted(range(len(sources)), key=lambda row: (-len(targets[row]), -len(sources[row])))
    batch: list[int] = []
    longest_source = 0
    for row in order:
        longest_source = max(longest_source, len(sources[row]))
        steps = (longest_source + len(targets[(batch or [row])[0]])) * (len(batch) + 1)
        if batch and (len(batch) == batch_size or steps > MAX_STEPS):
            yield batch
            batch, longest_source = [], len(sources[row])
        batch.append(row)
    if batch:
        yield batch
