"""The projection from the decoder's output to words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import Projection
from seqvise.models.softmax.chunked import linear_cross_entropy, linear_scores
from seqvise.models.softmax.sampled import sampled_cross_entropy


class Generator(nn.Module):
    """``logits = W output + b``.

    Args:
        words: vocabulary size V.
        size: width D of the decoder's output.
        weight: (V, D), where the projection shares the embedding's weight: one Parameter, one optimizer state.
    """

    def __init__(self, words: int, size: int, weight: Tensor | None = None) -> None:
        super().__init__()
        own = nn.Parameter(torch.empty(words, size).normal_(std=size**-0.5))
        self.weight = own if weight is None else weight
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, outputs: Tensor) -> Tensor:
        """Unnormalised scores: (..., D) to (..., V)."""
        return F.linear(outputs, self.weight, self.bias)

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        label_smoothing: float,
        chunk: int,
        dtype: torch.dtype,
        sampled: int | None = None,
    ) -> Tensor:
        """The sum over rows of the cross entropy, a scalar in float32.

        Args:
            outputs: (N, D).
            targets: (N,) int64.
            label_smoothing: as in ``torch.nn.functional.cross_entropy``.
            chunk: rows projected at once.
            dtype: of the products.
            sampled: words drawn, as in ``sampled_cross_entropy``, which smooths no labels; None reads all.
        """
        if sampled is not None:
            return sampled_cross_entropy(outputs, self.weight, self.bias, targets, sampled, chunk, dtype)
        return linear_cross_entropy(outputs, self.weight, self.bias, targets, label_smoothing, chunk, dtype)

    def scores(self, outputs: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The sum of ``-log p(target)``, and how many targets are the likeliest word; without gradients.

        The arguments are those of ``loss``.
        """
        return linear_scores(outputs, self.weight, self.bias, targets, chunk, dtype)


class WordPicker:
    """The most likely word for each output, without gradient, from weights converted once.

    Args:
        generator: the projection.
        dtype: of the product; bfloat16 where the processor is fast at it.
    """

    def __init__(self, generator: Projection, dtype: torch.dtype) -> None:
        self.weight = generator.weight.detach().to(dtype)
        self.bias = generator.bias.detach().to(dtype)

    def __call__(self, outputs: Tensor) -> Tensor:
        """(N, D) to (N,) int64."""
        with torch.autocast(outputs.device.type, enabled=False):
            scores = torch.addmm(self.bias, outputs.detach().to(self.weight.dtype), self.weight.t())
        # An arg max over bfloat16 is three times slower on a CPU than the conversion and an arg max over floats.
        return scores.float().argmax(1)
