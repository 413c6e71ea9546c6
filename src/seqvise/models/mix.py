"""What the decoder's first layer reads: the word alone, or mixed with what else there is to know."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.products import MakeProduct, Product


class StepMix(Protocol):
    """A mix with the weights of one pass over a batch."""

    def word(self, embedded: Tensor) -> Tensor:
        """The word's share, (N, D) to (N, D)."""
        ...

    def __call__(self, word: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        """What the first layer reads: (N, D), from the word's share and others (N, C), (N, F)."""
        ...


class Word(nn.Module):
    """The word vector as it is."""

    def words(self, embedded: Tensor) -> Tensor:
        """The words' share for any number of steps: (..., D) to (..., D)."""
        return embedded

    def bind(self, make: MakeProduct) -> StepMix:
        """The mix with the weights of one pass."""
        return _StepWord()


class Mix(nn.Linear):
    """``W [word; others] + b``, whose word's share is one product for as many steps as are known.

    Args:
        width: D, of the word vector and of the result.
        others: widths of what is mixed in, together.
    """

    def __init__(self, width: int, others: int) -> None:
        super().__init__(width + others, width)

    def words(self, embedded: Tensor) -> Tensor:
        """The words' share for any number of steps: (..., D) to (..., D)."""
        return F.linear(embedded, self.weight[:, : self.out_features], self.bias)

    def bind(self, make: MakeProduct) -> StepMix:
        """The mix with the weights of one pass."""
        width = self.out_features
        return _StepMix(make(self.weight[:, :width], self.bias), make(self.weight[:, width:], None))


class _StepWord:
    def word(self, embedded: Tensor) -> Tensor:
        return embedded

    def __call__(self, word: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        return word


class _StepMix(NamedTuple):
    word: Product
    rest: Product

    def __call__(self, word: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        return word + self.rest(others[0] if len(others) == 1 else torch.cat(others, 1))
