"""The encoder: what the source's words mean beside each other."""

from __future__ import annotations

import math

from torch import Tensor, nn

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.transformer.layers import EncoderLayer, norm
from seqvise.models.transformer.options import TransformerOptions
from seqvise.models.transformer.positions import POSITIONS


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
