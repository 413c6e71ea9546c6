"""Inputs of a decoder (reference tokens or predictions, embedded, fused with context and last output), and readouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqvise.models.interface import PAD, PickWords
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


SHAPE_STEP = 16
"""The number of predicted rows is rounded up to a multiple, since a CPU prepares a kernel for every new shape."""


class ScheduledSampling:
    """The input tokens of a decoder: reference tokens or predictions (Bengio et al. 2015).

    Args:
        references: (B, T) int64, the input tokens under teacher forcing.
        forced: (B, T) bool on the CPU, true where the reference token is the input; None where it always is. The first
            column is ignored, since there is no prediction before it.
        pick: outputs (N, D) to predicted tokens (N,) int64. It gets only the rows that need a prediction.
    """

    def __init__(self, references: Tensor, forced: Tensor | None, pick: PickWords) -> None:
        rows, steps = references.shape
        free = torch.zeros(steps, rows, dtype=torch.bool) if forced is None else ~forced.t()
        free[0] = False
        counts = free.sum(1).tolist()
        # One transfer for all steps, so that the CPU does not wait for the GPU at each of them.
        self.rows = free.nonzero()[:, 1].to(references.device).split(counts)
        self.references, self.pick = references, pick

    def has_predictions(self, step: int) -> bool:
        """Whether any input token of the step is a prediction."""
        return len(self.rows[step]) > 0

    def __call__(self, step: int, outputs: Tensor) -> Tensor:
        """The input tokens of a step: (B,) int64. outputs: (B, D) of the previous step."""
        rows = self.rows[step]
        if len(rows) == len(outputs):
            return self.pick(outputs)
        predictions = self.pick(outputs[F.pad(rows, (0, -len(rows) % SHAPE_STEP))])
        return self.references[:, step].index_copy(0, rows, predictions[: len(rows)])


class StepEmbedding:
    """Embedding lookups inside a loop over time, with one gradient matrix for all steps.

    The gradient of an embedding is a (V, D) matrix per lookup, so a loop of T steps would write T of them. Here the
    gradients of the steps are collected in one (T, N, D) tensor and become one matrix at the end.

    Args:
        weight: (V, D), the word vectors.
        steps: T, the maximum number of lookups.
        rows: N, tokens per lookup.
    """

    def __init__(self, weight: Tensor, steps: int, rows: int) -> None:
        self.weight = weight.detach()
        self.tokens = torch.full((steps, rows), PAD, device=weight.device)
        zeros: Tensor = _EmbeddingSlots.apply(weight, self.tokens)
        self.slots = zeros.unbind(0)

    def __call__(self, step: int, tokens: Tensor) -> Tensor:
        """The vectors (N, D) of the input tokens (N,) of a step; call it at most once per step."""
        self.tokens[step] = tokens
        return F.embedding(tokens, self.weight) + self.slots[step]


class _EmbeddingSlots(torch.autograd.Function):
    """Zeros for each step, to which the vectors are added, so that they receive the gradient of the vectors."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, tokens: Tensor) -> Tensor:
        # Not saved for backward: the tokens are filled in later.
        ctx.tokens, ctx.vocab_size = tokens, weight.shape[0]
        return weight.new_zeros(*tokens.shape, weight.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.ops.aten.embedding_dense_backward(grad, ctx.tokens, ctx.vocab_size, PAD, False), None
