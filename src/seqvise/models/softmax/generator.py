"""The projection from outputs to the vocabulary, and greedy prediction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import Projection
from seqvise.models.softmax.chunked import linear_cross_entropy, linear_scores
from seqvise.models.softmax.sampled import sampled_cross_entropy


class Generator(nn.Module):
    """``logits = W output + b``.

    Args:
        vocab_size: V.
        size: width D of the outputs.
        weight: (V, D), the embedding's weight if it is shared: one Parameter with one optimizer state.
    """

    def __init__(self, vocab_size: int, size: int, weight: Tensor | None = None) -> None:
        super().__init__()
        initial = nn.Parameter(torch.empty(vocab_size, size).normal_(std=size**-0.5))
        self.weight = initial if weight is None else weight
        self.bias = nn.Parameter(torch.zeros(vocab_size))

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
            sampled: expected number of sampled words, as in ``sampled_cross_entropy`` (no label smoothing); None: all.
        """
        if sampled is not None:
            return sampled_cross_entropy(outputs, self.weight, self.bias, targets, sampled, chunk, dtype)
        return linear_cross_entropy(outputs, self.weight, self.bias, targets, label_smoothing, chunk, dtype)

    def scores(self, outputs: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The sum of ``-log p(target)`` and the number of correct predictions (argmax), without gradients.

        The arguments are those of ``loss``.
        """
        return linear_scores(outputs, self.weight, self.bias, targets, chunk, dtype)


def projection_loss(generator: Projection) -> Callable[..., Tensor]:
    """The ``loss`` of a projection; that of ``Generator`` for a projection that only has a weight and a bias."""
    default = partial(Generator.loss, cast(Generator, generator))
    return cast(Callable[..., Tensor], getattr(generator, "loss", default))


class WordPicker:
    """Predicts the most likely word for each output, without gradient; the weights are cast once.

    Args:
        generator: the projection.
        dtype: of the product; bfloat16 on devices that are fast at it.
    """

    def __init__(self, generator: Projection, dtype: torch.dtype) -> None:
        self.weight = generator.weight.detach().to(dtype)
        self.bias = generator.bias.detach().to(dtype)

    def __call__(self, outputs: Tensor) -> Tensor:
        """(N, D) to (N,) int64."""
        with torch.autocast(outputs.device.type, enabled=False):
            logits = torch.addmm(self.bias, outputs.detach().to(self.weight.dtype), self.weight.t())
        # On a CPU an argmax over bfloat16 takes three times as long as a cast and an argmax over float32.
        return logits.float().argmax(1)
