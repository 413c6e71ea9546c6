"""Greedy decoding: the likeliest word at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from seqvise.decoding.beam import best_words
from seqvise.models.interface import BOS, EOS, PAD, SourceBatch, StepModel

MemoryT = TypeVar("MemoryT")
StateT = TypeVar("StateT")


@dataclass(frozen=True)
class Hypotheses:
    """Decoded sentences.

    Attributes:
        tokens: (B, T) int64, ``EOS`` included where one was said in time, then ``PAD``.
        attention: (B, T, S) weights over the source, zero after a sentence's end, or None where not asked for or not
            there.
    """

    tokens: Tensor
    attention: Tensor | None


def length_limits(src: SourceBatch) -> Tensor:
    """The most words said for each sentence, (B,): one and a half times the source's and ten more."""
    return src.lengths + src.lengths // 2 + 10


@torch.no_grad()
def greedy(model: StepModel[MemoryT, StateT], src: SourceBatch, attention: bool = False) -> Hypotheses:
    """Decodes a batch; a sentence is left alone once it is finished.

    Args:
        model: any model with the step interface, in evaluation mode.
        src: the sources.
        attention: keep the weights.
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
        words, state = likeliest(stepped.logits), stepped.state
        tokens[alive, t] = words
        if maps is not None and stepped.attention is not None:
            maps[alive, t] = stepped.attention.float()
        going = (words != EOS) & (t + 1 < limits[alive])
        if not going.all():
            rows = going.nonzero().squeeze(1)
            if not len(rows):
                break
            state, memory = model.reorder(state, rows), model.select(memory, rows)
            alive, words = alive[rows], words[rows]
    return _trimmed(tokens, maps)


def likeliest(logits: Tensor) -> Tensor:
    """The likeliest word that can be said, which neither ``BOS`` nor ``PAD`` is: (N, V) to (N,)."""
    return best_words(logits[:, EOS:], 1)[1].squeeze(1) + EOS


def _trimmed(tokens: Tensor, maps: Tensor | None) -> Hypotheses:
    steps = int((tokens != PAD).any(0).sum())
    return Hypotheses(tokens[:, :steps], None if maps is None or not maps.any() else maps[:, :steps])
