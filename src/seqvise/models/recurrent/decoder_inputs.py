"""Input of the decoder's first layer (the embedding alone, or fused with context and last output), and readouts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.cells import tanh
from seqvise.models.kernels.step_linear import MakeProduct, Product
from seqvise.models.recurrent.options import RecurrentOptions

Output = Callable[[Tensor, tuple[Tensor, ...], Tensor], Tensor]
"""(top layer output (..., H), contexts (..., M) if any, word vector (..., D)) to the decoder output (..., O)."""


class OutputModule(Protocol):
    """Interface of the readouts: what the projection to the vocabulary gets."""

    output_size: int

    def bind(self, make: MakeProduct) -> Output:
        """The readout bound to the weights of one pass over a batch."""
        ...


class TopState(nn.Module):
    """The top layer's output, unchanged. size: H."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The readout bound to the weights of one pass over a batch."""
        return _top


class AttentionalVector(nn.Linear):
    """``tanh(W [state; context] + b)`` (Luong et al. 2015, equation 5).

    Args:
        state, context: input widths.
        size: O, output width.
    """

    def __init__(self, state: int, context: int, size: int) -> None:
        super().__init__(state + context, size)
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The readout bound to the weights of one pass over a batch."""
        return partial(_vector, make(self.weight, self.bias))


class Readout(nn.Linear):
    """``tanh(W [state; context; word] + b)``.

    Args:
        state, context, word: input widths; context is 0 without attention.
        size: O, output width.
    """

    def __init__(self, state: int, context: int, word: int, size: int) -> None:
        super().__init__(state + context + word, size)
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The readout bound to the weights of one pass over a batch."""
        return partial(_read, make(self.weight, self.bias))


def make_readout(options: RecurrentOptions, memory_size: int) -> OutputModule:
    """The readout that the options choose. memory_size: width of the context; ignored without attention."""
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


class StepFusion(Protocol):
    """The input fusion bound to the weights of one pass over a batch."""

    def project_word(self, embedded: Tensor) -> Tensor:
        """``W_word embedded + b`` for one step, (N, D) to (N, D)."""
        ...

    def __call__(self, projected: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        """The input of the first layer, (N, D), from the projected word (N, D) and others (N, C), (N, F)."""
        ...


class Identity(nn.Module):
    """The word vector alone, unchanged."""

    def project_words(self, embedded: Tensor) -> Tensor:
        """The word vectors of any number of steps, unchanged: (..., D)."""
        return embedded

    def bind(self, make: MakeProduct) -> StepFusion:
        """The fusion bound to the weights of one pass."""
        return _StepIdentity()


class InputFusion(nn.Linear):
    """``W [word; others] + b``, computed in two parts: ``W_word`` for all known steps at once, the rest step by step.

    Args:
        width: D, width of the word vector and of the result.
        others: total width of the other inputs.
    """

    def __init__(self, width: int, others: int) -> None:
        super().__init__(width + others, width)

    def project_words(self, embedded: Tensor) -> Tensor:
        """``W_word embedded + b`` for any number of steps: (..., D) to (..., D)."""
        return F.linear(embedded, self.weight[:, : self.out_features], self.bias)

    def bind(self, make: MakeProduct) -> StepFusion:
        """The fusion bound to the weights of one pass."""
        width = self.out_features
        return _StepInputFusion(make(self.weight[:, :width], self.bias), make(self.weight[:, width:], None))


class _StepIdentity:
    def project_word(self, embedded: Tensor) -> Tensor:
        return embedded

    def __call__(self, projected: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        return projected


class _StepInputFusion(NamedTuple):
    project_word: Product
    project_others: Product

    def __call__(self, projected: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        return projected + self.project_others(others[0] if len(others) == 1 else torch.cat(others, 1))
