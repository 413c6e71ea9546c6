"""What a model makes of hypotheses that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqvise.models.interface import BOS, PAD, SourceBatch, StepModel


@dataclass(frozen=True, eq=False)
class Forced:
    """A model's reading of given words.

    Attributes:
        log_probs: (B, K), the sum of the words' log-probabilities.
        attention: (B, K, T, S) weights over the source, zero after a hypothesis's end; None where the model has none.
    """

    log_probs: Tensor
    attention: Tensor | None


@torch.no_grad()
def force_words(model: StepModel[Any, Any], src: SourceBatch, tokens: Tensor) -> Forced:
    """Says the given words, step by step.

    Args:
        model: in evaluation mode.
        src: B sources.
        tokens: (B, K, T) int64, ``EOS`` included, then ``PAD``.
    """
    sentences, count, steps = tokens.shape
    rows = tokens.flatten(0, 1)
    memory = model.encode(src)
    repeated = torch.arange(sentences, device=rows.device).repeat_interleave(count)
    state = model.reorder(model.init(memory), repeated)
    before = torch.nn.functional.pad(rows[:, :-1], (1, 0), value=BOS)
    log_probs, maps = torch.zeros(len(rows), device=rows.device), []
    for t in range(steps):
        stepped = model.step(before[:, t], state, memory)
        state, real = stepped.state, rows[:, t] != PAD
        scores = torch.log_softmax(stepped.logits.float(), 1).gather(1, rows[:, t : t + 1]).squeeze(1)
        log_probs += torch.where(real, scores, 0.0)
        if stepped.attention is not None:
            maps.append(stepped.attention.float() * real.unsqueeze(1))
    attention = torch.stack(maps, 1).view(sentences, count, steps, -1) if maps else None
    return Forced(log_probs.view(sentences, count), attention)
