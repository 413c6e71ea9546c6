"""The projection from the decoder's output to words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import Projection


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
