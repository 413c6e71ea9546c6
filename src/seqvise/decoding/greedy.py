"""Greedy decoding: the most probable word at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from seqvise.decoding.beam import topk_words
from seqvise.models.interface import BOS, EOS, PAD, SourceBatch, StepModel

MemoryT = TypeVar("MemoryT")
StateT = TypeVar("StateT")


@dataclass(frozen=True)
class Hypotheses:
    """Decoded sentences."""

    tokens: Tensor  # (B, T) int64, including ``EOS`` if it was reached, padded with ``PAD``
    # (B, T, S) weights over the source, zero after the end of a sentence; None if not requested or if the model has no
    # attention
    attention: Tensor | None


def length_limits(src: SourceBatch) -> Tensor:
    """Maximum output length per sentence, (B,): 1.5 times the source length plus 10."""
    return src.lengths + src.lengths // 2 + 10


@torch.no_grad()
def greedy(model: StepModel[MemoryT, StateT], src: SourceBatch, attention: bool = False) -> Hypotheses:
    """Decodes a batch; finished sentences are dropped from the computation.

    Args:
        model: any model with the step interface, in evaluation mode.
        src: the source sentences.
        attention: also return the attention weights.
    """
    limits = length_limits(src)
    tokens = torch.full((len(src.lengths), int(limits.max())), PAD, device=src.ids.device)
    maps = tokens.new_zeros(*tokens.shape, src.ids.shape[1], dtype=torch.float32) if attention else None
    alive = torch.arange(len(src.lengths), device=src.ids.device)
    memory = model.encode(src)
    state = model.init(memory)
    words = torch.full_like(alive, BOS)
    for t in range(tokens.shape[1]):
        stepped = model.step(words, state, memory)
        words, state = most_probable_words(stepped.logits), stepped.state
        tokens[alive, t] = words
        if maps is not None and stepped.attention is not None:
            maps[alive, t] = stepped.attention.float()
        unfinished = (words != EOS) & (t + 1 < limits[alive])
        if not unfinished.all():
            rows = unfinished.nonzero().squeeze(1)
            if not len(rows):
                break
            state, memory = model.reorder(state, rows), model.select(memory, rows)
            alive, words = alive[rows], words[rows]
    return _trimmed(tokens, maps)


def most_probable_words(logits: Tensor) -> Tensor:
    """The most probable word except ``BOS`` and ``PAD``: (N, V) to (N,)."""
    return topk_words(logits[:, EOS:], 1)[1].squeeze(1) + EOS


def _trimmed(tokens: Tensor, maps: Tensor | None) -> Hypotheses:
    steps = int((tokens != PAD).any(0).sum())
    return Hypotheses(tokens[:, :steps], None if maps is None or not maps.any() else maps[:, :steps])
