"""The recurrent encoder: source tokens to one vector per step, and one per layer that pools its outputs."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.kernels.dropout import make_dropout, make_word_dropout
from seqvise.models.recurrent.layers import LAYERS, GruLayer, LstmLayer, last_step, residual_norms, reverse
from seqvise.models.recurrent.options import RecurrentOptions


class Pooling(Protocol):
    """Interface of a pooling."""

    def __call__(self, forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
        """One vector per sentence: (B, P).

        Args:
            forward: (B, S, H), outputs of the forward direction, in the order of the sentence.
            backward: (B, S, H), outputs of the backward direction, in the order of the sentence, or None.
            lengths: (B,) steps without padding.
        """
        ...


def pool_last(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The state after the last token, and of the backward direction after the first one."""
    final = last_step(forward, lengths)
    return final if backward is None else torch.cat([final, backward[:, 0]], 1)


def pool_mean(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The mean over all tokens except padding."""
    outputs = concat_directions(forward, backward)
    return (outputs * _is_real(outputs, lengths)).sum(1) / lengths.unsqueeze(1)


def pool_max(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The elementwise maximum over all tokens except padding."""
    outputs = concat_directions(forward, backward)
    return outputs.masked_fill(~_is_real(outputs, lengths), float("-inf")).amax(1)


def pool_concat(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """Last, maximum and mean, concatenated (Howard and Ruder 2018, section 3.3)."""
    return torch.cat([pool(forward, backward, lengths) for pool in (pool_last, pool_max, pool_mean)], 1)


def concat_directions(forward: Tensor, backward: Tensor | None) -> Tensor:
    """The outputs of both directions, concatenated: (B, S, 2H), or (B, S, H) without a backward direction."""
    return forward if backward is None else torch.cat([forward, backward], 2)


def _is_real(outputs: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(outputs.shape[1], device=outputs.device)
    return (steps < lengths.unsqueeze(1)).unsqueeze(2)


POOLINGS: dict[str, tuple[Pooling, int]] = {
    "last": (pool_last, 1),
    "mean": (pool_mean, 1),
    "max": (pool_max, 1),
    "concat_pool": (pool_concat, 3),
}
"""Name -> pooling, and the width of its result as a multiple of the layer's width."""


class Encoded(NamedTuple):
    """Result of the encoder.

    Attributes:
        outputs: (B, S, M), the top layer at every step; M is twice the hidden size if it is bidirectional.
        finals: one (B, P) per layer, from which the decoder starts. By default the state after the last token before
            padding, and after the first token for the backward direction.
    """

    outputs: Tensor
    finals: tuple[Tensor, ...]


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers; padding never affects the other steps.

    A bidirectional layer concatenates the outputs of both directions.

    Args:
        options: the `model` node.
        vocab_size: V.

    Attributes:
        output_size: M.
        final_sizes: P of each layer.
    """

    def __init__(self, options: RecurrentOptions, vocab_size: int) -> None:
        super().__init__()
        hidden, layers, bidirectional = options.encoder_hidden, options.encoder_layers, options.backward_layers()
        outputs = [hidden * (2 if index < bidirectional else 1) for index in range(layers)]
        widths = list(zip([options.embedding, *outputs], outputs, strict=False))
        make = LAYERS[options.cell]
        self.embedding = nn.Embedding(vocab_size, options.embedding, padding_idx=PAD)
        self.forwards = nn.ModuleList(make(width, hidden) for width, _ in widths)
        self.backwards = nn.ModuleList(make(width, hidden) for width, _ in widths[:bidirectional])
        self.joints = residual_norms(widths, options.residual, options.layer_norm)
        self.pool, factor = POOLINGS[options.start]
        self.output_size = outputs[-1]
        self.final_sizes = [factor * width for width in outputs]
        self.dropout = options.dropout

    def forward(self, src: SourceBatch) -> Encoded:
        """Encodes a batch of sentences."""
        rates = self.dropout.scaled(self.training)
        drop_words = make_word_dropout(rates.words, self.embedding.weight)
        drop = make_dropout(rates.source, rates.variational)
        sequence = drop(drop_words(src.ids, self.embedding(src.ids)))
        finals = []
        for index, residual_norm in enumerate(self.joints):
            if index:
                sequence = make_dropout(rates.encoder, rates.variational)(sequence)
            forward, backward = self._run_layer(index, sequence, src.lengths, rates.weights)
            finals.append(self.pool(forward, backward, src.lengths))
            sequence = residual_norm(concat_directions(forward, backward), sequence)
        return Encoded(sequence, tuple(finals))

    def _run_layer(self, index: int, sequence: Tensor, lengths: Tensor, rate: float) -> tuple[Tensor, Tensor | None]:
        """Outputs of a layer's two directions, both in the order of the sentence; None for a missing direction."""
        forward = _run(self.forwards[index], sequence, rate)
        if index >= len(self.backwards):
            return forward, None
        return forward, reverse(_run(self.backwards[index], reverse(sequence, lengths), rate), lengths)


def _run(layer: nn.Module, sequence: Tensor, rate: float) -> Tensor:
    assert isinstance(layer, (GruLayer, LstmLayer))
    start = layer.start(sequence.new_zeros(sequence.shape[0], layer.hidden_size))
    return layer.run(sequence, start, layer.recurrent_weight(rate))
