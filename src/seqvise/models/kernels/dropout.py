"""What dropout leaves out in one pass over a batch. Drawn anew for each pass, and kept on no module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 1 << 16
"""Chances of dropout on a CPU are multiples of 1 / LEVELS: four draws of 16 bits are one of the generator's 64."""


def dropout(values: Tensor, rate: float, training: bool = True) -> Tensor:
    """Each number zero with a chance of ``rate``, the others divided by ``1 - rate`` (Srivastava et al. 2014).

    On a CPU the library draws a mask one number at a time, which took a seventh of a transformer's step.

    Args:
        values: of any shape.
        rate: from 0 to 1.
        training: false returns ``values`` as they are.
    """
    if not training or rate == 0:
        return values
    dropped = round(rate * LEVELS)
    if values.device.type != "cpu" or dropped == LEVELS:
        return F.dropout(values, rate)
    drawn = torch.empty(values.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    # One pass each over 16 bits, the values' format, and the values: a product with a bool mask takes twice as long.
    kept = drawn[: values.numel()].ge_(dropped - LEVELS // 2).to(values.dtype)
    return values * kept.mul_(LEVELS / (LEVELS - dropped)).view(values.shape)


Drop = Callable[[Tensor], Tensor]
"""Values of one step (N, D), or of all steps (N, S, D), to the same with some numbers zero and the others scaled up."""


def dropping(rate: float, variational: bool) -> Drop:
    """The dropout of one place in a model for one pass over a batch.

    Args:
        rate: the chance of a number to be dropped.
        variational: all steps of a sentence lose the same numbers; else each step draws its own.
    """
    if rate == 0:
        return keep
    return SequenceDrop(rate) if variational else StepDrop(rate)


def keep(values: Tensor) -> Tensor:
    """Drops nothing."""
    return values


class StepDrop:
    """Every number by a draw of its own."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, values: Tensor) -> Tensor:
        return dropout(values, self.rate)


class SequenceDrop:
    """One mask (N, D) for all steps of a sequence (Gal and Ghahramani 2016), however they come."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.mask: Tensor | None = None

    def __call__(self, values: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = dropout(values.new_ones(values.shape[0], values.shape[-1]), self.rate)
        return values * (self.mask if values.dim() == 2 else self.mask.unsqueeze(1))


WordDrop = Callable[[Tensor, Tensor], Tensor]
"""Word ids (...) and their vectors (..., D) to the vectors with some words' all zero and the others scaled up."""


def dropping_words(rate: float, weight: Tensor) -> WordDrop:
    """Whole words of a vocabulary dropped for one pass over a batch. weight: (V, D), the word vectors."""
    return VocabularyDrop(rate, weight) if rate > 0 else keep_words


def keep_words(_: Tensor, vectors: Tensor) -> Tensor:
    """Drops no word."""
    return vectors


class VocabularyDrop:
    """Words dropped wherever they stand in a batch (Gal and Ghahramani 2016, Merity et al. 2018, section 4.3)."""

    def __init__(self, rate: float, weight: Tensor) -> None:
        self.mask = dropout(torch.ones_like(weight[:, :1]), rate)

    def __call__(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        return vectors * F.embedding(tokens, self.mask)
