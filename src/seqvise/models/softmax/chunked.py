"""Cross entropy over a large vocabulary without the (rows, V) logits of a whole batch in memory.

Rows are projected in chunks, and the gradients of a chunk are computed in the forward pass from its probabilities.
Forward and backward together cost three products, no logits are stored, and the peak is one (chunk, V) tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SHAPE_STEP = 64
"""The rows of a chunk are padded to a multiple of this, since a CPU prepares a kernel for every new shape."""


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
        dtype: of the products; sums and losses are always float32.

    Returns:
        A scalar, float32.
    """
    arguments = (outputs.float(), weight.float(), bias.float(), targets, label_smoothing, chunk, dtype)
    with torch.autocast(outputs.device.type, enabled=False):  # the dtype of each product is explicit
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
    """The sum over rows of ``-log p(target)`` and the number of correct predictions (argmax), without gradients.

    The arguments are those of ``linear_cross_entropy``. Returns two scalars, float32 and int64.
    """
    loss, correct = outputs.new_zeros((), dtype=torch.float32), targets.new_zeros(())
    with torch.autocast(outputs.device.type, enabled=False):
        cast_weight, cast_bias = weight.to(dtype), bias.to(dtype)
        for rows in _row_chunks(outputs.shape[0], chunk):
            logits = torch.addmm(cast_bias, outputs[rows].to(dtype), cast_weight.t()).float()
            chunk_targets = targets[rows]
            loss += F.cross_entropy(logits, chunk_targets, reduction="sum")
            correct += (logits.argmax(1) == chunk_targets).sum()
    return loss, correct


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
        sums = _ChunkSums(weight, bias, smoothing, dtype, any(ctx.needs_input_grad[:3]))
        for rows in _row_chunks(outputs.shape[0], chunk):
            sums.add(outputs[rows], targets[rows])
        if sums.needs_grad:
            ctx.save_for_backward(*sums.gradients())
        return sums.loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_outputs, grad_weight, grad_bias = ctx.saved_tensors
        # In place, since nothing else refers to these tensors; ``grad`` is 1 / tokens for a mean loss.
        return grad_outputs.mul_(grad), grad_weight.mul_(grad), grad_bias.mul_(grad), None, None, None, None


class _ChunkSums:
    """Loss and gradients, summed over chunks."""

    def __init__(self, weight: Tensor, bias: Tensor, smoothing: float, dtype: torch.dtype, needs_grad: bool) -> None:
        self.weight, self.bias = weight.detach(), bias.detach()
        self.cast_weight, self.cast_bias = self.weight.to(dtype), self.bias.to(dtype)
        self.smoothing, self.needs_grad = smoothing, needs_grad
        self.loss = weight.new_zeros(())
        self.mean_weight, self.mean_bias = self.weight.mean(0), self.bias.mean()
        if needs_grad:
            self.grad_outputs: list[Tensor] = []
            self.grad_weight, self.grad_bias = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
            self.sum_outputs = weight.new_zeros(weight.shape[1])
            self.rows = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a chunk of rows."""
        count = outputs.shape[0]
        padded = F.pad(outputs, (0, 0, 0, -count % SHAPE_STEP)).to(self.cast_weight.dtype)
        logits = torch.addmm(self.cast_bias, padded, self.cast_weight.t())
        target_logits = logits[:count].gather(1, targets.unsqueeze(1)).float().squeeze(1)
        probabilities = torch.softmax(logits, 1)
        target_probabilities = probabilities[:count].gather(1, targets.unsqueeze(1)).float().squeeze(1)
        log_sum_exp = target_logits - target_probabilities.log()  # no further pass over the vocabulary
        self.loss += self._losses(outputs, targets, log_sum_exp).sum()
        if self.needs_grad:
            self._add_gradients(outputs, padded, targets, probabilities)

    def _losses(self, outputs: Tensor, targets: Tensor, log_sum_exp: Tensor) -> Tensor:
        target_logits = (outputs * self.weight[targets]).sum(1) + self.bias[targets]
        # The mean logit over all words is the logit under the mean weight: no pass over the vocabulary.
        mean_logits = outputs @ self.mean_weight + self.mean_bias
        return log_sum_exp - (1 - self.smoothing) * target_logits - self.smoothing * mean_logits

    def _add_gradients(self, outputs: Tensor, padded: Tensor, targets: Tensor, probabilities: Tensor) -> None:
        count = outputs.shape[0]
        probabilities[count:] = 0
        probabilities[torch.arange(count, device=targets.device), targets] += self.smoothing - 1
        self.grad_outputs.append((probabilities @ self.cast_weight)[:count].float() - self.smoothing * self.mean_weight)
        self.grad_weight += probabilities.t() @ padded
        self.grad_bias += (probabilities.t() @ probabilities.new_ones(len(probabilities), 1)).squeeze(1)
        self.sum_outputs += outputs.sum(0)
        self.rows += count

    def gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of outputs, weight and bias, including the uniform part of label smoothing."""
        if self.smoothing:
            uniform = self.smoothing / self.weight.shape[0]
            self.grad_weight -= uniform * self.sum_outputs
            self.grad_bias -= uniform * self.rows
        grad_outputs = (
            torch.cat(self.grad_outputs) if self.grad_outputs else self.weight.new_zeros(0, self.weight.shape[1])
        )
        return grad_outputs, self.grad_weight, self.grad_bias


def _row_chunks(rows: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, rows)) for start in range(0, rows, chunk)]
