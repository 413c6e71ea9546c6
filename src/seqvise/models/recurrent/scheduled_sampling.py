"""Scheduled sampling (reference tokens or predictions as decoder inputs), and embedding lookups inside a loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqvise.models.interface import PAD, PickWords

SHAPE_STEP = 16
"""The number of predicted rows is rounded up to a multiple, since a CPU prepares a kernel for every new shape."""


class ScheduledSampling:
    """The input tokens of a decoder: reference tokens or predictions (Bengio et al. 2015).

    Args:
        references: (B, T) int64, the input tokens under teacher forcing.
        forced: (B, T) bool on the CPU, true where the reference token is the input; None where it always is. The first
            column is ignored, since there is no prediction before it.
        pick: outputs (N, D) to predicted tokens (N,) int64. It gets only the rows that need a prediction.
    """

    def __init__(self, references: Tensor, forced: Tensor | None, pick: PickWords) -> None:
        rows, steps = references.shape
        free = torch.zeros(steps, rows, dtype=torch.bool) if forced is None else ~forced.t()
        free[0] = False
        counts = free.sum(1).tolist()
        # One transfer for all steps, so that the CPU does not wait for the GPU at each of them.
        self.rows = free.nonzero()[:, 1].to(references.device).split(counts)
        self.references, self.pick = references, pick

    def has_predictions(self, step: int) -> bool:
        """Whether any input token of the step is a prediction."""
        return len(self.rows[step]) > 0

    def __call__(self, step: int, outputs: Tensor) -> Tensor:
        """The input tokens of a step: (B,) int64. outputs: (B, D) of the previous step."""
        rows = self.rows[step]
        if len(rows) == len(outputs):
            return self.pick(outputs)
        predictions = self.pick(outputs[F.pad(rows, (0, -len(rows) % SHAPE_STEP))])
        return self.references[:, step].index_copy(0, rows, predictions[: len(rows)])


class StepEmbedding:
    """Embedding lookups inside a loop over time, with one gradient matrix for all steps.

    The gradient of an embedding is a (V, D) matrix per lookup, so a loop of T steps would write T of them. Here the
    gradients of the steps are collected in one (T, N, D) tensor and become one matrix at the end.

    Args:
        weight: (V, D), the word vectors.
        steps: T, the maximum number of lookups.
        rows: N, tokens per lookup.
    """

    def __init__(self, weight: Tensor, steps: int, rows: int) -> None:
        self.weight = weight.detach()
        self.tokens = torch.full((steps, rows), PAD, device=weight.device)
        zeros: Tensor = _EmbeddingSlots.apply(weight, self.tokens)
        self.slots = zeros.unbind(0)

    def __call__(self, step: int, tokens: Tensor) -> Tensor:
        """The vectors (N, D) of the input tokens (N,) of a step; call it at most once per step."""
        self.tokens[step] = tokens
        return F.embedding(tokens, self.weight) + self.slots[step]


class _EmbeddingSlots(torch.autograd.Function):
    """Zeros for each step, to which the vectors are added, so that they receive the gradient of the vectors."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, tokens: Tensor) -> Tensor:
        # Not saved for backward: the tokens are filled in later.
        ctx.tokens, ctx.vocab_size = tokens, weight.shape[0]
        return weight.new_zeros(*tokens.shape, weight.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.ops.aten.embedding_dense_backward(grad, ctx.tokens, ctx.vocab_size, PAD, False), None
