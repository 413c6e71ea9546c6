"""What the decoder hands to the projection: the top layer's output, alone or read together with what it looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from seqvise.models.activations import tanh
from seqvise.models.options import RecurrentOptions
from seqvise.models.products import MakeProduct, Product

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
