"""Cross entropy over a vocabulary without ever holding a (rows, words) tensor of the whole batch.

Rows are projected in chunks; the gradients of a chunk are taken while its probabilities are at hand, so forward and
backward together cost three products, no logits are kept, and the peak is one (chunk, V) tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SHAPE_STEP = 64
"""Rows of the last chunk are rounded up to this, since a CPU prepares a kernel for every new shape."""


def linear_cross_entropy(
    outputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The sum over rows of ``-(1 - e) log p(target) - e mean_v log p(v)``, ``p = softmax(W outputs + b)``.

    Args:
        outputs: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: (N,) int64.
        label_smoothing: e, as in ``torch.nn.functional.cross_entropy``.
        chunk: rows projected at once.
        dtype: of the products; sums and losses are float32 whatever it is.

    Returns:
        A scalar, float32.
    """
    arguments = (outputs.float(), weight.float(), bias.float(), targets, label_smoothing, chunk, dtype)
    with torch.autocast(outputs.device.type, enabled=False):  # the format of each product is chosen here
        result: Tensor = _LinearCrossEntropy.apply(*arguments)
    return result


@torch.no_grad()
def linear_scores(
    outputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """The sum over rows of ``-log p(target)``, and how many targets are the likeliest word; without gradients.

    The arguments are those of ``linear_cross_entropy``. Both scalars, float32 and int64.
    """
    loss, right = outputs.new_zeros((), dtype=torch.float32), targets.new_zeros(())
    with torch.autocast(outputs.device.type, enabled=False):
        cast_weight, cast_bias = weight.to(dtype), bias.to(dtype)
        for rows in _row_chunks(outputs.shape[0], chunk):
            scores = torch.addmm(cast_bias, outputs[rows].to(dtype), cast_weight.t()).float()
            chosen = targets[rows]
            loss += F.cross_entropy(scores, chosen, reduction="sum")
            right += (scores.argmax(1) == chosen).sum()
    return loss, right


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        outputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        pieces = _Pieces(weight, bias, smoothing, dtype, any(ctx.needs_input_grad[:3]))
        for rows in _row_chunks(outputs.shape[0], chunk):
            pieces.add(outputs[rows], targets[rows])
        if pieces.wants_grad:
            ctx.save_for_backward(*pieces.gradients())
        return pieces.loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        outputs, weight, bias = ctx.saved_tensors
        # A sum is scaled by 1 / tokens at the end of a step; in place, since these tensors are ours alone.
        return outputs.mul_(grad), weight.mul_(grad), bias.mul_(grad), None, None, None, None


class _Pieces:
    """Loss and gradients, added up chunk by chunk."""

    def __init__(self, weight: Tensor, bias: Tensor, smoothing: float, dtype: torch.dtype, wants_grad: bool) -> None:
        self.weight, self.bias = weight.detach(), bias.detach()
        self.cast_weight, self.cast_bias = self.weight.to(dtype), self.bias.to(dtype)
        self.smoothing, self.wants_grad = smoothing, wants_grad
        self.loss = weight.new_zeros(())
        self.mean_weight, self.mean_bias = self.weight.mean(0), self.bias.mean()
        if wants_grad:
            self.grad_outputs: list[Tensor] = []
            self.grad_weight, self.grad_bias = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
            self.sum_outputs = weight.new_zeros(weight.shape[1])
            self.rows = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """One chunk of rows."""
        count = outputs.shape[0]
        padded = F.pad(outputs, (0, 0, 0, -count % SHAPE_STEP)).to(self.cast_weight.dtype)
        logits = torch.addmm(self.cast_bias, padded, self.cast_weight.t())
        picked = logits[:count].gather(1, targets.unsqueeze(1)).float().squeeze(1)
        chances = torch.softmax(logits, 1)
        chosen = chances[:count].gather(1, targets.unsqueeze(1)).float().squeeze(1)
        partition = picked - chosen.log()  # log of the sum of exponentials, from values that are at hand
        self.loss += self._losses(outputs, targets, partition).sum()
        if self.wants_grad:
            self._add_gradients(outputs, padded, targets, chances)

    def _losses(self, outputs: Tensor, targets: Tensor, partition: Tensor) -> Tensor:
        target_scores = (outputs * self.weight[targets]).sum(1) + self.bias[targets]
        # The mean score over all words is the score under the mean weight: no pass over the vocabulary.
        mean_scores = outputs @ self.mean_weight + self.mean_bias
        return partition - (1 - self.smoothing) * target_scores - self.smoothing * mean_scores

    def _add_gradients(self, outputs: Tensor, padded: Tensor, targets: Tensor, chances: Tensor) -> None:
        count = outputs.shape[0]
        chances[count:] = 0
        chances[torch.arange(count, device=targets.device), targets] += self.smoothing - 1
        self.grad_outputs.append((chances @ self.cast_weight)[:count].float() - self.smoothing * self.mean_weight)
        self.grad_weight += chances.t() @ padded
        self.grad_bias += (chances.t() @ chances.new_ones(len(chances), 1)).squeeze(1)
        self.sum_outputs += outputs.sum(0)
        self.rows += count

    def gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of outputs, weight and bias, the uniform share of label smoothing included."""
        if self.smoothing:
            share = self.smoothing / self.weight.shape[0]
            self.grad_weight -= share * self.sum_outputs
            self.grad_bias -= share * self.rows
        outputs = torch.cat(self.grad_outputs) if self.grad_outputs else self.weight.new_zeros(0, self.weight.shape[1])
        return outputs, self.grad_weight, self.grad_bias


def _row_chunks(rows: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, rows)) for start in range(0, rows, chunk)]
