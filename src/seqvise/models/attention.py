"""Additive attention: which source steps the decoder looks at."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """``a = softmax(v . f(W memory + U query + b))``, ``context = a memory`` (Bahdanau et al. 2015, equation 6).

    ``f`` is tanh, or ReLU where chosen. The memory's share is computed once a sentence by ``keys``.
    """

    def __init__(self, memory_size: int, query_size: int, size: int, activation: str = "tanh") -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, size, bias=False)
        self.query = nn.Linear(query_size, size)
        self.score = nn.Linear(size, 1, bias=False)
        self.activation = {"tanh": torch.tanh, "relu": torch.relu}[activation]
        nn.init.normal_(self.key.weight, std=1 / math.sqrt(memory_size))
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(size))

    def keys(self, memory: Tensor) -> Tensor:
        """The memory's share of the scores: (N, S, M) to (N, S, A)."""
        keys: Tensor = self.key(memory)
        return keys

    def forward(self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The context (N, M) and the weights (N, S), zero where ``mask`` is false.

        Args:
            query: (N, Q), the decoder's state.
            keys: (N, S, A), from ``keys``.
            memory: (N, S, M).
            mask: (N, S) bool, true at real steps.
        """
        energy = self.activation(keys + self.query(query).unsqueeze(1))  # (N, S, A)
        scores = self.score(energy).squeeze(2).masked_fill(~mask, float("-inf"))  # (N, S)
        weights = torch.softmax(scores, 1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1), weights
