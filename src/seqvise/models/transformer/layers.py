"""One layer of either side. Each sublayer reads the normed sequence and adds to it (pre-norm, Xiong et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.transformer.attention import CrossAttention, KeyValue, SelfAttention
from seqvise.models.transformer.options import TransformerDropoutOptions, TransformerOptions
from seqvise.models.transformer.positions import POSITIONS, Rotation

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}
NORMS: dict[str, type[nn.LayerNorm] | type[nn.RMSNorm]] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


def norm(options: TransformerOptions) -> nn.Module:
    """A norm over the width: of mean and deviation, or of the root mean square alone (Zhang and Sennrich 2019)."""
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
        found: Tensor = self.outer(dropout(hidden, self.dropout.activation * self.dropout.scale, self.training))
        return found


class Residual(nn.Module):
    """Adds what a sublayer found, less what dropout takes."""

    def __init__(self, dropout: TransformerDropoutOptions) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, inputs: Tensor, found: Tensor) -> Tensor:
        """inputs, found: (..., D)."""
        return inputs + dropout(found, self.dropout.residual * self.dropout.scale, self.training)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.attention = SelfAttention(options.embedding, options.heads, options.dropout)
        self.feed_forward = FeedForward(options)
        self.attention_norm, self.feed_forward_norm = norm(options), norm(options)
        self.add = Residual(options.dropout)

    def forward(self, inputs: Tensor, rotation: Rotation | None, mask: Tensor) -> Tensor:
        """(N, S, D) to (N, S, D). mask: (N, 1, 1, S) bool, true at real steps."""
        inputs = self.add(inputs, self.attention(self.attention_norm(inputs), rotation, mask, causal=False))
        found: Tensor = self.add(inputs, self.feed_forward(self.feed_forward_norm(inputs)))
        return found


class SteppedLayer(NamedTuple):
    """One step's output (N, 1, D), the keys and values so far, and the weights over the source (N, S)."""

    output: Tensor
    past: KeyValue
    weights: Tensor


class DecoderLayer(nn.Module):
    """Self-attention to the words before, attention to the source, feed-forward."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.attention = SelfAttention(options.embedding, options.heads, options.dropout)
        self.cross = CrossAttention(options.embedding, options.heads, options.dropout)
        self.feed_forward = FeedForward(options)
        self.attention_norm, self.cross_norm, self.feed_forward_norm = (norm(options) for _ in range(3))
        self.add = Residual(options.dropout)

    def forward(self, inputs: Tensor, rotation: Rotation | None, source: KeyValue, mask: Tensor) -> Tensor:
        """All steps at once: (N, T, D) to (N, T, D). mask: (N, 1, 1, S) bool, true at real source steps."""
        inputs = self.add(inputs, self.attention(self.attention_norm(inputs), rotation, None, causal=True))
        inputs = self.add(inputs, self.cross(self.cross_norm(inputs), source, mask))
        found: Tensor = self.add(inputs, self.feed_forward(self.feed_forward_norm(inputs)))
        return found

    def step(
        self, inputs: Tensor, rotation: Rotation | None, past: KeyValue, source: KeyValue, mask: Tensor
    ) -> SteppedLayer:
        """The next step alone: (N, 1, D)."""
        found, past = self.attention.step(self.attention_norm(inputs), rotation, past)
        inputs = self.add(inputs, found)
        found, weights = self.cross.step(self.cross_norm(inputs), source, mask)
        inputs = self.add(inputs, found)
        return SteppedLayer(self.add(inputs, self.feed_forward(self.feed_forward_norm(inputs))), past, weights)


class WordInput(nn.Module):
    """From word vectors to what the first layer reads: times sqrt(D), with their positions, less dropout."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.positions = POSITIONS[options.positions](options)
        self.dropout = options.dropout

    def forward(self, vectors: Tensor, start: int = 0) -> Tensor:
        """vectors: (N, T, D), at positions from ``start`` on."""
        marked = self.positions.mark(vectors * math.sqrt(vectors.shape[2]), start)
        return dropout(marked, self.dropout.embedding * self.dropout.scale, self.training)


class TransformerEncoder(nn.Module):
    """A stack of layers and a last norm; padding is never looked at."""

    def __init__(self, options: TransformerOptions, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, options.embedding, padding_idx=PAD)
        self.input = WordInput(options)
        self.layers = nn.ModuleList(EncoderLayer(options) for _ in range(options.encoder_layers))
        self.norm = norm(options)

    def forward(self, src: SourceBatch) -> Tensor:
        """What was read at every step: (B, S, D)."""
        sequence = self.input(self.embedding(src.ids))
        rotation = self.input.positions.rotation(0, src.ids.shape[1], sequence.device)
        mask = src.mask()[:, None, None]
        for layer in self.layers:
            sequence = layer(sequence, rotation, mask)
        found: Tensor = self.norm(sequence)
        return found
