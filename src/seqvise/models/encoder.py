"""The recurrent encoder: source words to one vector a step and one a layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.layers import LAYERS, GruLayer, LstmLayer, last_real, reverse
from seqvise.models.options import DropoutOptions


class Encoded(NamedTuple):
    """What the encoder read.

    Attributes:
        outputs: (B, S, M), the top layer at every step; M is twice the hidden size when bidirectional.
        finals: for each layer (B, M), its state after the last real word (the first one, read backward).
    """

    outputs: Tensor
    finals: tuple[Tensor, ...]


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers that never reads padding.

    Args:
        words: vocabulary size.
        embedding: width of the word vectors.
        hidden: width of a layer and direction.
        layers: how many.
        cell: ``gru`` or ``lstm``.
        bidirectional: every layer reads both ways, the next one reads both outputs side by side.
        dropout: probabilities; ``source`` and ``encoder`` are used.
    """

    def __init__(
        self,
        words: int,
        embedding: int,
        hidden: int,
        layers: int,
        cell: str,
        bidirectional: bool,
        dropout: DropoutOptions,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        widths = [embedding] + [hidden * directions] * (layers - 1)
        self.embedding = nn.Embedding(words, embedding, padding_idx=PAD)
        self.forwards = nn.ModuleList(LAYERS[cell](width, hidden) for width in widths)
        self.backwards = nn.ModuleList(LAYERS[cell](width, hidden) for width in widths if bidirectional)
        self.output_size = hidden * directions
        self.dropout = dropout

    def forward(self, src: SourceBatch) -> Encoded:
        """Reads a batch of sentences."""
        sequence = F.dropout(self.embedding(src.ids), self.dropout.source * self.dropout.scale, self.training)
        finals = []
        for index in range(len(self.forwards)):
            if index:
                sequence = F.dropout(sequence, self.dropout.encoder * self.dropout.scale, self.training)
            sequence, final = self._layer(index, sequence, src.lengths)
            finals.append(final)
        return Encoded(sequence, tuple(finals))

    def _layer(self, index: int, sequence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        ahead = _run(self.forwards[index], sequence)
        if not self.backwards:
            return ahead, last_real(ahead, lengths)
        back = _run(self.backwards[index], reverse(sequence, lengths))
        final = torch.cat([last_real(ahead, lengths), last_real(back, lengths)], 1)
        return torch.cat([ahead, reverse(back, lengths)], 2), final


def _run(layer: nn.Module, sequence: Tensor) -> Tensor:
    assert isinstance(layer, (GruLayer, LstmLayer))
    return layer.run(sequence, layer.start(sequence.new_zeros(sequence.shape[0], layer.hidden_size)))
