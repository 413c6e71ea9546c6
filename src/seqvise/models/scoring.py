"""How likely a model finds sentences that it is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqvise.models.interface import PAD, PairBatch, Projection, Seq2SeqModel


@torch.no_grad()
def sentence_log_probs(model: Seq2SeqModel[Any, Any], batch: PairBatch, chunk: int = 512) -> Tensor:
    """``log p(target | source)`` of each pair, the sum over its words, ``EOS`` included: (B,) float32.

    Args:
        model: in evaluation mode; it reads the targets, as in training.
        batch: sources and targets.
        chunk: words projected at once; no tensor is larger than (chunk, V).
    """
    real = batch.target != PAD
    words = word_log_probs(model.generator, model(batch)[real], batch.target[real], chunk)
    sentences = real.nonzero()[:, 0]
    return words.new_zeros(len(batch)).index_add_(0, sentences, words)


def word_log_probs(generator: Projection, outputs: Tensor, words: Tensor, chunk: int) -> Tensor:
    """The log-probability of one word for each output: (N,) float32.

    Args:
        generator: the projection.
        outputs: (N, D).
        words: (N,) int64.
        chunk: rows projected at once.
    """
    found = []
    for some, said in zip(outputs.split(chunk), words.split(chunk), strict=True):
        logits = torch.nn.functional.linear(some, generator.weight, generator.bias).float()
        found.append(logits.gather(1, said.unsqueeze(1)).squeeze(1) - logits.logsumexp(1))
    return torch.cat(found) if found else outputs.new_zeros(0, dtype=torch.float32)
