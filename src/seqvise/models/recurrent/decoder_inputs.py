"""Input of the decoder's first layer (the embedding alone, or fused with context and last output), and readouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.cells import tanh
from seqvise.models.kernels.step_linear import MakeProduct, Product
from seqvise.models.recurrent.options import RecurrentOptions

Output = Callable[[Tensor, tuple[Tensor, ...], Tensor], Tensor]
"""(top layer output (..., H), contexts (..., M) if any, word vector (..., D)) to the decoder output (..., O)."""


class TopState(nn.Module):
    """The top layer's output, unchanged. size: H."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def bind(self, make: MakeProduct) -> Output:
        """The readout bound to the weights of one pass over a batch."""
        return lambda state, *_: state


class Readout(nn.Linear):
    """``tanh(W [state; context; word] + b)``; without the word, equation 5 of Luong et al. 2015.

    Args:
        state, context, word: input widths; context is 0 without attention, word to leave it out.
        size: O, output width.
    """

    def __init__(self, state: int, context: int, word: int, size: int) -> None:
        super().__init__(state + context + word, size)
        self.output_size, self.reads_word = size, word > 0

    def bind(self, make: MakeProduct) -> Output:
        """See ``TopState``."""
        product = make(self.weight, self.bias)

        def read(state: Tensor, contexts: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
            word = (embedded,) if self.reads_word else ()
            return tanh(product(torch.cat([state, *contexts, *word], -1)))

        return read


def make_readout(options: RecurrentOptions, memory_size: int) -> TopState | Readout:
    """The readout that the options choose. memory_size: width of the context; ignored without attention."""
    hidden, width = options.decoder_hidden, options.embedding
    context = 0 if options.attention == "none" else memory_size
    if options.readout:
        return Readout(hidden, context, width, width)
    if options.attends_after():
        return Readout(hidden, context, 0, width)
    return TopState(hidden)


class StepFusion(NamedTuple):
    """The input fusion bound to the weights of one pass over a batch."""

    # ``W_word embedded + b`` for one step, (N, D) to (N, D); without other inputs the word unchanged
    project_word: Product
    project_others: Product | None = None  # the product with the other inputs; None without them

    def __call__(self, projected: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        """The input of the first layer, (N, D), from the projected word (N, D) and others (N, C), (N, F)."""
        if self.project_others is None:
            return projected
        return projected + self.project_others(others[0] if len(others) == 1 else torch.cat(others, 1))


class Identity(nn.Module):
    """The word vector alone, unchanged."""

    def project_words(self, embedded: Tensor) -> Tensor:
        """See ``InputFusion``, as for ``bind``."""
        return embedded

    def bind(self, make: MakeProduct) -> StepFusion:
        return StepFusion(self.project_words)


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
        return StepFusion(make(self.weight[:, :width], self.bias), make(self.weight[:, width:], None))
