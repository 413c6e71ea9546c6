"""Encoder and decoder layers with pre-norm (Xiong et al. 2020), and the encoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.transformer.attention import CrossAttention, KeyValue, SelfAttention
from seqvise.models.transformer.options import TransformerOptions
from seqvise.models.transformer.positions import POSITIONS, Rotation

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}
NORMS: dict[str, type[nn.LayerNorm] | type[nn.RMSNorm]] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


def norm(options: TransformerOptions) -> nn.Module:
    """Layer norm, or RMS norm (Zhang and Sennrich 2019), over the width."""
    return NORMS[options.norm](options.embedding, eps=1e-5)


class FeedForward(nn.Module):
    """``W2 f(W1 x + b1) + b2``."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.inner = nn.Linear(options.embedding, options.feed_forward)
        self.outer = nn.Linear(options.feed_forward, options.embedding)
        self.activation = ACTIVATIONS[options.activation]
        self.dropout = options.dropout
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        hidden = self.activation(self.inner(inputs))
        outputs: Tensor = self.outer(dropout(hidden, self.dropout.activation * self.dropout.scale, self.training))
        return outputs


class _Layer(nn.Module):
    """Base of both layers: residual connections, and the feed-forward sublayer as the last one."""

    feed_forward: FeedForward
    feed_forward_norm: nn.Module

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.attention = SelfAttention(options.embedding, options.heads, options.dropout)
        self.dropout = options.dropout

    def _add(self, inputs: Tensor, output: Tensor) -> Tensor:
        """Adds a sublayer's output, with dropout, to its input: (..., D) each."""
        return inputs + dropout(output, self.dropout.residual * self.dropout.scale, self.training)

    def _finish(self, inputs: Tensor) -> Tensor:
        return self._add(inputs, self.feed_forward(self.feed_forward_norm(inputs)))


class EncoderLayer(_Layer):
    """Self-attention, then feed-forward."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__(options)
        self.feed_forward = FeedForward(options)
        self.attention_norm, self.feed_forward_norm = norm(options), norm(options)

    def forward(self, inputs: Tensor, rotation: Rotation | None, mask: Tensor) -> Tensor:
        """(N, S, D) to (N, S, D). mask: (N, 1, 1, S) bool, false at padding."""
        inputs = self._add(inputs, self.attention(self.attention_norm(inputs), rotation, mask, causal=False))
        return self._finish(inputs)


class LayerStep(NamedTuple):
    """One step's output (N, 1, D), the extended key-value cache, and the weights over the source (N, S)."""

    output: Tensor
    past: KeyValue
    weights: Tensor


class DecoderLayer(_Layer):
    """Causal self-attention, cross-attention to the source, feed-forward."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__(options)
        self.cross = CrossAttention(options.embedding, options.heads, options.dropout)
        self.feed_forward = FeedForward(options)
        self.attention_norm, self.cross_norm, self.feed_forward_norm = (norm(options) for _ in range(3))

    def forward(self, inputs: Tensor, rotation: Rotation | None, source: KeyValue, mask: Tensor) -> Tensor:
        """All steps at once: (N, T, D) to (N, T, D). mask: (N, 1, 1, S) bool, false at padding of the source."""
        inputs = self._add(inputs, self.attention(self.attention_norm(inputs), rotation, None, causal=True))
        inputs = self._add(inputs, self.cross(self.cross_norm(inputs), source, mask))
        return self._finish(inputs)

    def step(
        self, inputs: Tensor, rotation: Rotation | None, past: KeyValue, source: KeyValue, mask: Tensor
    ) -> LayerStep:
        """One decoding step: (N, 1, D)."""
        attended, past = self.attention.step(self.attention_norm(inputs), rotation, past)
        inputs = self._add(inputs, attended)
        context, weights = self.cross.step(self.cross_norm(inputs), source, mask)
        inputs = self._add(inputs, context)
        return LayerStep(self._finish(inputs), past, weights)


class WordInput(nn.Module):
    """Input of the first layer: word vectors times sqrt(D), with positions and dropout."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.positions = POSITIONS[options.positions](options)
        self.dropout = options.dropout

    def forward(self, vectors: Tensor, start: int = 0) -> Tensor:
        """vectors: (N, T, D), at positions ``start`` to ``start + T - 1``."""
        positioned = self.positions.add_positions(vectors * math.sqrt(vectors.shape[2]), start)
        return dropout(positioned, self.dropout.embedding * self.dropout.scale, self.training)


class TransformerEncoder(nn.Module):
    """A stack of layers and a final norm; padding is masked. vocab_size: V."""

    def __init__(self, options: TransformerOptions, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, options.embedding, padding_idx=PAD)
        self.input = WordInput(options)
        self.layers = nn.ModuleList(EncoderLayer(options) for _ in range(options.encoder_layers))
        self.norm = norm(options)

    def forward(self, src: SourceBatch) -> Tensor:
        """The outputs of all steps: (B, S, D)."""
        sequence = self.input(self.embedding(src.ids))
        rotation = self.input.positions.rotation(0, src.ids.shape[1], sequence.device)
        mask = src.mask()[:, None, None]
        for layer in self.layers:
            sequence = layer(sequence, rotation, mask)
        outputs: Tensor = self.norm(sequence)
        return outputs
