"""Multi-head scaled dot-product attention, over whole sentences or step by step."""

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
    """Keys and values of an attention, each (N, H, S, d)."""

    keys: Tensor
    values: Tensor


class _Attention(nn.Module):
    """Base of both attentions: heads, dropout, output projection."""

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
        """(N, H, T, d) to (N, T, D), through the output projection."""
        merged: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return merged

    def _rate(self) -> float:
        return self.dropout.attention * self.dropout.scale if self.training else 0.0


class SelfAttention(_Attention):
    """``softmax(Q K^T / sqrt(d)) V`` (Vaswani et al. 2017); one product projects a sequence to Q, K and V."""

    def __init__(self, width: int, heads: int, dropout: TransformerDropoutOptions) -> None:
        super().__init__(width, heads, dropout)
        self.project = packed_linear(width, 3)

    def forward(self, inputs: Tensor, rotation: Rotation | None, mask: Tensor | None, causal: bool) -> Tensor:
        """Attention of all steps: (N, T, D) to (N, T, D).

        Args:
            inputs: (N, T, D).
            rotation: for the T positions, or None.
            mask: (N, 1, 1, T) bool, true at steps that may be attended to; None for all.
            causal: each step attends only to itself and earlier steps; needs ``mask=None``.
        """
        queries, key_value = self._project(inputs, rotation)
        return self._merge(attend(queries, key_value, mask, self._rate(), causal))

    def step(self, inputs: Tensor, rotation: Rotation | None, past: KeyValue) -> tuple[Tensor, KeyValue]:
        """Attention of the next step (N, 1, D) to itself and the past; also returns the extended past."""
        queries, current = self._project(inputs, rotation)
        past = KeyValue(*(torch.cat(parts, 2) for parts in zip(past, current, strict=True)))
        return self._merge(attend(queries, past, rate=self._rate())), past

    def _project(self, inputs: Tensor, rotation: Rotation | None) -> tuple[Tensor, KeyValue]:
        packed = self._split(self.project(inputs), 3)
        queries, keys = (packed[:, :, :2] if rotation is None else rotation.rotate(packed[:, :, :2])).unbind(2)
        return queries.transpose(1, 2), KeyValue(keys.transpose(1, 2), packed[:, :, 2].transpose(1, 2))


class CrossAttention(_Attention):
    """Attention of the target to the source, whose keys and values are computed once per sentence."""

    def __init__(self, width: int, heads: int, dropout: TransformerDropoutOptions) -> None:
        super().__init__(width, heads, dropout)
        self.query = packed_linear(width, 1)
        self.project = packed_linear(width, 2)

    def keys_values(self, memory: Tensor) -> KeyValue:
        """Keys and values of the source, from one product: (N, S, D) to (N, H, S, d) each, contiguous for the steps."""
        keys, values = self._split(self.project(memory), 2).permute(2, 0, 3, 1, 4).contiguous()
        return KeyValue(keys, values)

    def forward(self, inputs: Tensor, source: KeyValue, mask: Tensor) -> Tensor:
        """Attention of all steps (N, T, D) to the source. mask: (N, 1, 1, S) bool, false at padding."""
        return self._merge(attend(self._queries(inputs), source, mask, self._rate()))

    def step(self, inputs: Tensor, source: KeyValue, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``forward`` for one step of N rows, and the attention weights (N, S), averaged over the heads.

        Args:
            inputs: (N, 1, D); the N / B rows of a sentence are adjacent.
            source: of B sentences.
            mask: (B, 1, 1, S) bool, false at padding.
        """
        # The rows of a sentence take the place of the steps, so that they share its keys and values.
        queries = self._queries(inputs.reshape(source.keys.shape[0], -1, inputs.shape[2]))
        scores = queries @ source.keys.transpose(2, 3) / math.sqrt(queries.shape[3])  # (B, H, N / B, S)
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), 3)
        context = dropout(weights, self._rate()).to(source.values.dtype) @ source.values
        return self._merge(context).reshape(inputs.shape), weights.mean(1).flatten(0, 1)

    def _queries(self, inputs: Tensor) -> Tensor:
        return self._split(self.query(inputs), 1).squeeze(2).transpose(1, 2)


def attend(
    queries: Tensor, key_value: KeyValue, mask: Tensor | None = None, rate: float = 0.0, causal: bool = False
) -> Tensor:
    """The contexts of the queries: (N, H, T, d).

    Args:
        queries: (N, H, T, d).
        key_value: keys and values.
        mask: (N, 1, 1, S) bool, true at steps that may be attended to; None for all.
        rate: dropout probability of the weights.
        causal: each step attends only to itself and earlier steps; needs ``mask=None``.
    """
    inputs: tuple[Tensor, Tensor, Tensor] = (queries, *key_value)
    attention = partial(F.scaled_dot_product_attention, attn_mask=mask, dropout_p=rate, is_causal=causal)
    if queries.device.type != "cpu" or all(part.dtype != torch.bfloat16 for part in inputs):
        return attention(*inputs)
    # On a CPU, gradients in bfloat16 take six times as long as those in float32.
    with torch.autocast("cpu", enabled=False):
        return attention(*(part.float() for part in inputs)).to(key_value.values.dtype)


def packed_linear(width: int, parts: int) -> nn.Linear:
    """``parts`` square projections in one, (N, D) to (N, parts D), each with Xavier initialisation over sqrt(2)."""
    linear = nn.Linear(width, parts * width)
    for part in linear.weight.chunk(parts):
        nn.init.xavier_uniform_(part, gain=2**-0.5)
    nn.init.zeros_(linear.bias)
    return linear
