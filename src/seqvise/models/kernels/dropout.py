"""Dropout with one mask per pass over a batch. Masks are drawn for each pass and never stored on a module."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 1 << 16
"""Rates on a CPU are rounded to multiples of 1 / LEVELS: one 64-bit random number is used as four of 16 bits."""


def dropout(values: Tensor, rate: float, training: bool = True) -> Tensor:
    """Each number set to zero with probability ``rate``, the others divided by ``1 - rate`` (Srivastava et al. 2014).

    On a CPU, torch's dropout draws one random number at a time, which took a seventh of a transformer's step.

    Args:
        values: any shape.
        rate: from 0 to 1.
        training: if false, ``values`` are returned unchanged.
    """
    if not training or rate == 0:
        return values
    dropped = round(rate * LEVELS)
    if values.device.type != "cpu" or dropped == LEVELS:
        return F.dropout(values, rate)
    random_bits = torch.empty(values.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    # A mask of the values' dtype: a product with a bool mask takes twice as long.
    mask = random_bits[: values.numel()].ge_(dropped - LEVELS // 2).to(values.dtype)
    return values * mask.mul_(LEVELS / (LEVELS - dropped)).view(values.shape)


Drop = Callable[[Tensor], Tensor]
"""Applies dropout to the values of one step (N, D) or of all steps (N, S, D)."""


def make_dropout(rate: float, variational: bool) -> Drop:
    """A dropout for one pass over a batch. variational: use the same mask for all steps of a sentence."""
    if rate == 0:
        return keep
    return SequenceDrop(rate) if variational else partial(dropout, rate=rate)


def keep(values: Tensor) -> Tensor:
    """Drops nothing."""
    return values


class SequenceDrop:
    """One mask (N, D) for all steps of a sequence (Gal and Ghahramani 2016), in one call or many."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.mask: Tensor | None = None

    def __call__(self, values: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = dropout(values.new_ones(values.shape[0], values.shape[-1]), self.rate)
        return values * (self.mask if values.dim() == 2 else self.mask.unsqueeze(1))


WordDrop = Callable[[Tensor, Tensor], Tensor]
"""Token ids (...) and their vectors (..., D) to the vectors, zero for dropped words and scaled up for the others."""


def make_word_dropout(rate: float, weight: Tensor) -> WordDrop:
    """Drops all occurrences of a word in a batch (Gal and Ghahramani 2016, Merity et al. 2018, section 4.3).

    weight: (V, D), the word vectors.
    """
    if rate == 0:
        return lambda _, vectors: vectors
    mask = dropout(torch.ones_like(weight[:, :1]), rate)
    return lambda tokens, vectors: vectors * F.embedding(tokens, mask)
