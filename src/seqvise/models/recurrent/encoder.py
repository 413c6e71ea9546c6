"""The recurrent encoder: source words to one vector a step and one a layer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.kernels.dropout import dropping, dropping_words
from seqvise.models.recurrent.layers import LAYERS, GruLayer, LstmLayer, joints, reverse
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.recurrent.pooling import POOLINGS, beside


class Encoded(NamedTuple):
    """What the encoder read.

    Attributes:
        outputs: (B, S, M), the top layer at every step; M is twice the hidden size where it reads both ways.
        finals: for each layer (B, P), what the decoder begins with: by default the state after the last real word
            (the first one, read backward).
    """

    outputs: Tensor
    finals: tuple[Tensor, ...]


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers that never reads padding.

    A layer that reads both ways gives both outputs side by side.

    Args:
        options: the choices.
        words: vocabulary size.

    Attributes:
        output_size: M.
        final_sizes: P of each layer.
    """

    def __init__(self, options: RecurrentOptions, words: int) -> None:
        super().__init__()
        hidden, layers, both = options.encoder_hidden, options.encoder_layers, options.backward_layers()
        outputs = [hidden * (2 if index < both else 1) for index in range(layers)]
        widths = list(zip([options.embedding, *outputs], outputs, strict=False))
        make = LAYERS[options.cell]
        self.embedding = nn.Embedding(words, options.embedding, padding_idx=PAD)
        self.forwards = nn.ModuleList(make(width, hidden) for width, _ in widths)
        self.backwards = nn.ModuleList(make(width, hidden) for width, _ in widths[:both])
        self.joints = joints(widths, options.residual, options.layer_norm)
        self.pool, times = POOLINGS[options.start]
        self.output_size = outputs[-1]
        self.final_sizes = [times * width for width in outputs]
        self.dropout = options.dropout

    def forward(self, src: SourceBatch) -> Encoded:
        """Reads a batch of sentences."""
        rates = self.dropout.scaled(self.training)
        drop_words = dropping_words(rates.words, self.embedding.weight)
        drop = dropping(rates.source, rates.variational)
        sequence = drop(drop_words(src.ids, self.embedding(src.ids)))
        finals = []
        for index, joint in enumerate(self.joints):
            if index:
                sequence = dropping(rates.encoder, rates.variational)(sequence)
            ahead, back = self._read(index, sequence, src.lengths, rates.weights)
            finals.append(self.pool(ahead, back, src.lengths))
            sequence = joint(beside(ahead, back), sequence)
        return Encoded(sequence, tuple(finals))

    def _read(self, index: int, sequence: Tensor, lengths: Tensor, rate: float) -> tuple[Tensor, Tensor | None]:
        """A layer's outputs forward and backward, both in the order of the sentence."""
        ahead = _run(self.forwards[index], sequence, rate)
        if index >= len(self.backwards):
            return ahead, None
        return ahead, reverse(_run(self.backwards[index], reverse(sequence, lengths), rate), lengths)


def _run(layer: nn.Module, sequence: Tensor, rate: float) -> Tensor:
    assert isinstance(layer, (GruLayer, LstmLayer))
    start = layer.start(sequence.new_zeros(sequence.shape[0], layer.hidden_size))
    return layer.run(sequence, start, layer.recurrent(rate))
