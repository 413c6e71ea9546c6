"""Scaled dot-product attention with several heads, over whole sentences or one step at a time."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.dropout import dropout
from seqvise.models.transformer.options import TransformerDropoutOptions
from seqvise.models.transformer.positions import Rotation


class KeyValue(NamedTuple):
    """What an attention looks at: keys and values, each (N, H, S, d)."""

    keys: Tensor
    values: Tensor

    def rows(self, rows: Tensor) -> KeyValue:
        """Those of the chosen rows. rows: (M,) int64, repeats allowed."""
        # Five times as fast on a CPU as self.keys[rows].
        return KeyValue(self.keys.index_select(0, rows), self.values.index_select(0, rows))

    def followed_by(self, later: KeyValue) -> KeyValue:
        """These and then ``later``'s, along S."""
        return KeyValue(torch.cat([self.keys, later.keys], 2), torch.cat([self.values, later.values], 2))


class _Attention(nn.Module):
    """What both attentions have: heads, dropout, the output's projection."""

    def __init__(self, width: int, heads: int, dropout: TransformerDropoutOptions) -> None:
        super().__init__()
        self.heads = heads
        self.output = nn.Linear(width, width)
        self.dropout = dropout
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def _split(self, packed: Tensor, parts: int) -> Tensor:
        """(N, T, parts D) to (N, T, parts, H, d)."""
        split: Tensor = packed.unflatten(-1, (parts, self.heads, -1))
        return split

    def _merge(self, heads: Tensor) -> Tensor:
        """(N, H, T, d) to (N, T, D), through the output's projection."""
        merged: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return merged

    def _rate(self) -> float:
        return self.dropout.attention * self.dropout.scale if self.training else 0.0


class SelfAttention(_Attention):
    """``softmax(Q K^T / sqrt(d)) V`` with Q, K and V of the same sequence, in one product (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int, dropout: TransformerDropoutOptions) -> None:
        super().__init__(width, heads, dropout)
        self.project = packed_linear(width, 3)

    def forward(self, inputs: Tensor, rotation: Rotation | None, mask: Tensor | None, causal: bool) -> Tensor:
        """Every step of (N, T, D) looks at the steps it may see.

        Args:
            inputs: (N, T, D).
            rotation: of the T positions, or None.
            mask: (N, 1, 1, T) bool, true where a step may be looked at; None where all may.
            causal: a step sees itself and those before it alone; without a mask.
        """
        queries, seen = self._project(inputs, rotation)
        return self._merge(attend(queries, seen, mask, self._rate(), causal))

    def step(self, inputs: Tensor, rotation: Rotation | None, past: KeyValue) -> tuple[Tensor, KeyValue]:
        """The next step (N, 1, D) looks at itself and the past, and joins it."""
        queries, now = self._project(inputs, rotation)
        seen = past.followed_by(now)
        return self._merge(attend(queries, seen, rate=self._rate())), seen

    def _project(self, inputs: Tensor, rotation: Rotation | None) -> tuple[Tensor, KeyValue]:
        packed = self._split(self.project(inputs), 3)
        queries, keys = (packed[:, :, :2] if rotation is None else rotation.turn(packed[:, :, :2])).unbind(2)
        return queries.transpose(1, 2), KeyValue(keys.transpose(1, 2), packed[:, :, 2].transpose(1, 2))


class CrossAttention(_Attention):
    """Attention of the target to the source, whose keys and values are computed once a sentence."""

    def __init__(self, width: int, heads: int, dropout: TransformerDropoutOptions) -> None:
        super().__init__(width, heads, dropout)
        self.query = packed_linear(width, 1)
        self.project = packed_linear(width, 2)

    def keys_values(self, memory: Tensor) -> KeyValue:
        """Keys and values of the source, in one product: (N, S, D) to (N, H, S, d) each, contiguous for the steps."""
        keys, values = self._split(self.project(memory), 2).permute(2, 0, 3, 1, 4).contiguous()
        return KeyValue(keys, values)

    def forward(self, inputs: Tensor, seen: KeyValue, mask: Tensor) -> Tensor:
        """Every step of (N, T, D) looks at the source. mask: (N, 1, 1, S) bool, true at real steps."""
        return self._merge(attend(self._queries(inputs), seen, mask, self._rate()))

    def step(self, inputs: Tensor, seen: KeyValue, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As ``forward`` for one step of N rows, with the weights (N, S), the mean over the heads.

        Args:
            inputs: (N, 1, D), the N / B rows of each sentence side by side.
            seen: of B sentences.
            mask: (B, 1, 1, S) bool, true at real steps.
        """
        # The rows of a sentence ask as the steps of one do, so that they share its keys and values.
        queries = self._queries(inputs.reshape(seen.keys.shape[0], -1, inputs.shape[2]))
        scores = queries @ seen.keys.transpose(2, 3) / math.sqrt(queries.shape[3])  # (B, H, N / B, S)
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), 3)
        found = dropout(weights, self._rate()).to(seen.values.dtype) @ seen.values
        return self._merge(found).reshape(inputs.shape), weights.mean(1).flatten(0, 1)

    def _queries(self, inputs: Tensor) -> Tensor:
        return self._split(self.query(inputs), 1).squeeze(2).transpose(1, 2)


def attend(
    queries: Tensor, seen: KeyValue, mask: Tensor | None = None, rate: float = 0.0, causal: bool = False
) -> Tensor:
    """What queries find: (N, H, T, d).

    Args:
        queries: (N, H, T, d).
        seen: keys and values.
        mask: (N, 1, 1, S) bool, true where a step may be looked at; None where all may.
        rate: chance of a weight to be dropped.
        causal: a step sees itself and those before it alone; without a mask.
    """
    parts: tuple[Tensor, Tensor, Tensor] = (queries, *seen)
    look = partial(F.scaled_dot_product_attention, attn_mask=mask, dropout_p=rate, is_causal=causal)
    if queries.device.type != "cpu" or all(part.dtype != torch.bfloat16 for part in parts):
        return look(*parts)
    # The library's gradients in bfloat16 take six times as long there as those in float32.
    with torch.autocast("cpu", enabled=False):
        return look(*(part.float() for part in parts)).to(seen.values.dtype)


def packed_linear(width: int, parts: int) -> nn.Linear:
    """``parts`` square projections in one, (N, D) to (N, parts D), each by Glorot and Bengio's rule over sqrt(2)."""
    linear = nn.Linear(width, parts * width)
    for part in linear.weight.chunk(parts):
        nn.init.xavier_uniform_(part, gain=2**-0.5)
    nn.init.zeros_(linear.bias)
    return linear
