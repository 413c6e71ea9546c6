"""What the decoder's first layer reads: the word alone, or mixed with what else there is to know."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.activations import tanh
from seqvise.models.kernels.step_linear import MakeProduct, Product
from seqvise.models.recurrent.options import RecurrentOptions

Output = Callable[[Tensor, tuple[Tensor, ...], Tensor], Tensor]
"""The top layer's output (..., H), the context (..., M) where there is one, the word vector (..., D): to (..., O)."""


class OutputModule(Protocol):
    """What the decoder asks of a readout."""

    output_size: int

    def bind(self, make: MakeProduct) -> Output:
        """The output with the weights of one pass over a batch."""
        ...


class TopState(nn.Module):
    """The top layer's output as it is. size: H."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The output with the weights of one pass over a batch."""
        return _top


class AttentionalVector(nn.Linear):
    """``tanh(W [state; context] + b)`` (Luong et al. 2015, equation 5).

    Args:
        state, context: their widths.
        size: O, width of the result.
    """

    def __init__(self, state: int, context: int, size: int) -> None:
        super().__init__(state + context, size)
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The output with the weights of one pass over a batch."""
        return partial(_vector, make(self.weight, self.bias))


class Readout(nn.Linear):
    """``tanh(W [state; context; word] + b)``.

    Args:
        state, context, word: their widths; context is 0 without attention.
        size: O, width of the result.
    """

    def __init__(self, state: int, context: int, word: int, size: int) -> None:
        super().__init__(state + context + word, size)
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The output with the weights of one pass over a batch."""
        return partial(_read, make(self.weight, self.bias))


def make_readout(options: RecurrentOptions, memory_size: int) -> OutputModule:
    """The readout of the options. memory_size: width of the context, where there is attention."""
    hidden, width = options.decoder_hidden, options.embedding
    context = 0 if options.attention == "none" else memory_size
    if options.readout:
        return Readout(hidden, context, width, width)
    if options.attends_after():
        return AttentionalVector(hidden, context, width)
    return TopState(hidden)


def _top(state: Tensor, *_: object) -> Tensor:
    return state


def _vector(product: Product, state: Tensor, context: tuple[Tensor, ...], _: Tensor) -> Tensor:
    return tanh(product(torch.cat([state, *context], -1)))


def _read(product: Product, state: Tensor, context: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
    return tanh(product(torch.cat([state, *context, embedded], -1)))


class StepMix(Protocol):
    """A mix with the weights of one pass over a batch."""

    def word(self, embedded: Tensor) -> Tensor:
        """The word's share, (N, D) to (N, D)."""
        ...

    def __call__(self, word: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        """What the first layer reads: (N, D), from the word's share and others (N, C), (N, F)."""
        ...


class Identity(nn.Module):
    """The word vector as it is."""

    def words(self, embedded: Tensor) -> Tensor:
        """The words' share for any number of steps: (..., D) to (..., D)."""
        return embedded

    def bind(self, make: MakeProduct) -> StepMix:
        """The mix with the weights of one pass."""
        return _StepWord()


class InputFusion(nn.Linear):
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
