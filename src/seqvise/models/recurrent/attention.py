"""Attention of the recurrent decoder over the source steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seqvise.models.kernels.cells import tanh
from seqvise.models.kernels.step_linear import MakeProduct, Product
from seqvise.models.recurrent.options import RecurrentOptions

Score = Callable[[Tensor, Tensor], Tensor]
"""Queries (N, Q) and keys (B, S, A) to scores (B, N/B, S)."""


class Attend(NamedTuple):
    """Attention bound to the weights of one pass: ``a = softmax(score(query, key))``, ``context = a memory``.

    Attributes:
        score: scores each query against each source step.
    """

    score: Score

    def __call__(self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The context (N, M) and the weights (N, S), zero where ``mask`` is false.

        Args:
            query: (N, Q), the decoder state; N is a multiple of B, and the rows of a sentence are adjacent.
            keys: (B, S, A), from ``Attention.keys``.
            memory: (B, S, M), the encoder outputs.
            mask: (B, S) bool, false at padding.
        """
        scores = self.score(query, keys).masked_fill(~mask.unsqueeze(1), float("-inf"))  # (B, N/B, S)
        weights = torch.softmax(scores, 2)
        context = torch.bmm(weights, memory)  # (B, N/B, M)
        return context.view(query.shape[0], memory.shape[2]), weights.view(query.shape[0], mask.shape[1])


class Attention(Protocol):
    """Interface of the attention modules."""

    def keys(self, memory: Tensor) -> Tensor:
        """The keys, computed once per sentence: (B, S, M) to (B, S, A)."""
        ...

    def bind(self, make: MakeProduct) -> Attend:
        """The attention bound to the weights of one pass."""
        ...


class AdditiveAttention(nn.Module):
    """``score = v . f(W memory + U query + b)`` (Bahdanau et al. 2015, equation 6); ``f`` is tanh or ReLU.

    Args:
        memory_size, query_size: M and Q.
        size: A.
        activation: ``tanh`` or ``relu``.
    """

    def __init__(self, memory_size: int, query_size: int, size: int, activation: str = "tanh") -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, size, bias=False)
        self.query = nn.Linear(query_size, size)
        self.score = nn.Linear(size, 1, bias=False)
        self.activation = {"tanh": tanh, "relu": torch.relu}[activation]
        nn.init.normal_(self.key.weight, std=1 / math.sqrt(memory_size))
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(size))

    def keys(self, memory: Tensor) -> Tensor:
        """``W memory``: (B, S, M) to (B, S, A)."""
        keys: Tensor = self.key(memory)
        return keys

    def bind(self, make: MakeProduct) -> Attend:
        """The attention bound to the weights of one pass."""
        return Attend(partial(self._score, make(self.query.weight, self.query.bias)))

    def _score(self, product: Product, query: Tensor, keys: Tensor) -> Tensor:
        queries = product(query).view(keys.shape[0], -1, 1, keys.shape[2])
        scores: Tensor = self.score(self.activation(keys.unsqueeze(1) + queries))  # (B, N/B, S, 1)
        return scores.squeeze(3)


class DotAttention(nn.Module):
    """``score = query . memory`` (Luong et al. 2015, equation 8); both must have the same width."""

    def keys(self, memory: Tensor) -> Tensor:
        """The memory, unchanged."""
        return memory

    def bind(self, make: MakeProduct) -> Attend:
        """The attention, which has no weights to bind."""
        return Attend(_dot)


class GeneralAttention(nn.Module):
    """``score = query . W memory`` (Luong et al. 2015, equation 8).

    Args:
        memory_size, query_size: M and Q.
    """

    def __init__(self, memory_size: int, query_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """``W memory``: (B, S, M) to (B, S, Q)."""
        keys: Tensor = self.key(memory)
        return keys

    def bind(self, make: MakeProduct) -> Attend:
        """The attention; its only weight is already applied in ``keys``."""
        return Attend(_dot)


def make_attention(options: RecurrentOptions, memory_size: int) -> Attention | None:
    """The attention named by ``options.attention``; None for ``none``. memory_size: M, width of the encoder outputs."""
    hidden = options.decoder_hidden
    makers: dict[str, Callable[[], Attention | None]] = {
        "none": lambda: None,
        "additive": lambda: AdditiveAttention(memory_size, hidden, hidden, options.attention_activation),
        "dot": DotAttention,
        "general": lambda: GeneralAttention(memory_size, hidden),
    }
    return makers[options.attention]()


def _dot(query: Tensor, keys: Tensor) -> Tensor:
    return torch.bmm(query.reshape(keys.shape[0], -1, keys.shape[2]), keys.transpose(1, 2))
