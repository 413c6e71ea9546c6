"""Forced decoding: scores and attention of existing hypotheses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqvise.models.interface import BOS, PAD, SourceBatch, StepModel


@dataclass(frozen=True, eq=False)
class ForcedScores:
    """Scores and attention of forced hypotheses."""

    log_probs: Tensor  # (B, K), the sum of the words' log-probabilities
    # (B, K, T, S) weights over the source, zero after the end of a hypothesis; None if the model has no attention
    attention: Tensor | None


@torch.no_grad()
def force_words(model: StepModel[Any, Any], src: SourceBatch, tokens: Tensor) -> ForcedScores:
    """Decodes step by step with the given words as decoder inputs.

    Args:
        model: in evaluation mode.
        src: B source sentences.
        tokens: (B, K, T) int64, including ``EOS``, padded with ``PAD``.
    """
    sentences, count, steps = tokens.shape
    rows = tokens.flatten(0, 1)
    memory = model.encode(src)
    sentence_rows = torch.arange(sentences, device=rows.device).repeat_interleave(count)
    state = model.reorder(model.init(memory), sentence_rows)
    inputs = torch.nn.functional.pad(rows[:, :-1], (1, 0), value=BOS)
    log_probs, maps = torch.zeros(len(rows), device=rows.device), []
    for t in range(steps):
        stepped = model.step(inputs[:, t], state, memory)
        state, real = stepped.state, rows[:, t] != PAD
        scores = torch.log_softmax(stepped.logits.float(), 1).gather(1, rows[:, t : t + 1]).squeeze(1)
        log_probs += torch.where(real, scores, 0.0)
        if stepped.attention is not None:
            maps.append(stepped.attention.float() * real.unsqueeze(1))
    attention = torch.stack(maps, 1).view(sentences, count, steps, -1) if maps else None
    return ForcedScores(log_probs.view(sentences, count), attention)
