"""Word vectors looked up one step after another, with one gradient for all steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqvise.models.interface import PAD, PickWords

SHAPE_STEP = 16
"""Rows that say a word are rounded up to this, since a CPU prepares a kernel for every new shape."""


class ScheduledSampling:
    """The words that a batch reads, some of them from the references and some its own.

    Args:
        words: (B, T) int64, what each step would read of the references.
        forced: (B, T) bool on the CPU, true where a step reads the reference; None where all do. The first column is
            not looked at: no word is said before it.
        pick: outputs (N, D) to words (N,) int64. Only rows whose word is read are handed to it.
    """

    def __init__(self, words: Tensor, forced: Tensor | None, pick: PickWords) -> None:
        rows, steps = words.shape
        own = torch.zeros(steps, rows, dtype=torch.bool) if forced is None else ~forced.t()
        own[0] = False
        counts = own.sum(1).tolist()
        # One transfer for all steps: a processor that feeds another is not to wait at each of them.
        self.rows = own.nonzero()[:, 1].to(words.device).split(counts)
        self.words, self.pick = words, pick

    def said_at(self, step: int) -> bool:
        """Whether any sentence reads a word of its own."""
        return len(self.rows[step]) > 0

    def __call__(self, step: int, outputs: Tensor) -> Tensor:
        """The words that a step reads: (B,) int64. outputs: (B, D) of the step before."""
        rows = self.rows[step]
        if len(rows) == len(outputs):
            return self.pick(outputs)
        said = self.pick(outputs[F.pad(rows, (0, -len(rows) % SHAPE_STEP))])
        return self.words[:, step].index_copy(0, rows, said[: len(rows)])


class StepEmbedding:
    """Looks up the words that a model says, while it says them.

    An embedding's own gradient is a (V, D) matrix for every look-up, so a loop of T steps would write T of them. Here
    the steps' gradients are kept, (T, N, D) together, and become one matrix at the end.

    Args:
        weight: (V, D), the word vectors.
        steps: T, the most look-ups.
        rows: N, words a look-up.
    """

    def __init__(self, weight: Tensor, steps: int, rows: int) -> None:
        self.weight = weight.detach()
        self.tokens = torch.full((steps, rows), PAD, device=weight.device)
        zeros: Tensor = _Slots.apply(weight, self.tokens)
        self.slots = zeros.unbind(0)

    def __call__(self, step: int, tokens: Tensor) -> Tensor:
        """The vectors (N, D) of the words (N,) said at a step; each step once."""
        self.tokens[step] = tokens
        return F.embedding(tokens, self.weight) + self.slots[step]


class _Slots(torch.autograd.Function):
    """Zeros for each step, to which vectors are added; their gradient is that of the vectors."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, tokens: Tensor) -> Tensor:
        # Not saved for backward: the tokens are filled in after this.
        ctx.tokens, ctx.words = tokens, weight.shape[0]
        return weight.new_zeros(*tokens.shape, weight.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.ops.aten.embedding_dense_backward(grad, ctx.tokens, ctx.words, PAD, False), None
