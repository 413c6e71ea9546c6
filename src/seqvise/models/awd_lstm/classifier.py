"""A classifier of documents upon an AWD-LSTM (Howard and Ruder 2018, "Universal Language Model Fine-tuning")."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.awd_lstm.model import AwdEncoder, Read, StreamState, detached, thaw, with_rates
from seqvise.models.awd_lstm.options import ClassifierOptions
from seqvise.models.devise.model import SteadyBatchNorm
from seqvise.models.interface import SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.recurrent.pooling import pool_concat

POOLED = 3
"""Poolings side by side: last, maximum, mean."""


class Classified(NamedTuple):
    """What a batch of documents gives.

    Attributes:
        logits: (B, L), of the labels.
        read: the encoder's outputs, (B, S, D), and its last state.
    """

    logits: Tensor
    read: Read


class TextClassifier(nn.Module):
    """The encoder, its outputs pooled over the real words, and the head.

    Args:
        options: the choices.
        words: of the vocabulary.
        labels: L.
    """

    def __init__(self, options: ClassifierOptions, words: int, labels: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = AwdEncoder(options, options.dropout, words)
        self.head = ClassifierHead(options, labels)

    def forward(self, documents: SourceBatch) -> Classified:
        """Logits of documents, whose padding stands at the end."""
        read = self.read(documents.ids)
        return Classified(self.head(pool_concat(read.outputs, None, documents.lengths)), read)

    def read(self, ids: Tensor) -> Read:
        """All outputs of documents (B, S), window by window.

        Gradients go back through a window, not beyond it; what lies more than ``span`` words before the end of the
        longest document is read without any.
        """
        window, steps = self.options.window, ids.shape[1]
        state: StreamState | None = None
        pieces: list[Read] = []
        for start in range(0, steps, window):
            wanted = torch.is_grad_enabled() and start + window > steps - self.options.span
            with torch.set_grad_enabled(wanted):
                pieces.append(self.encoder(ids[:, start : start + window], state))
            state = detached(pieces[-1].state)
        outputs, raw = (torch.cat(parts, 1) for parts in ([p.outputs for p in pieces], [p.raw for p in pieces]))
        return Read(outputs, raw, pieces[-1].state)

    def groups(self) -> list[list[nn.Parameter]]:
        """Word vectors, the layers from the first to the last, and the head."""
        parts = [self.encoder.embedding, *self.encoder.layers, self.head]
        return [list(part.parameters()) for part in parts]

    def rate_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """The groups with the factors on their rates."""
        return with_rates(self.groups(), self.options.group_rates)

    def unfreeze(self, epoch: int) -> None:
        """Trains those groups whose epoch has come."""
        thaw(self.groups(), self.options.unfreeze, epoch)


class ClassifierHead(nn.Module):
    """Two linear maps with an activation between, each behind batch norm and dropout: (B, 3D) to (B, L)."""

    def __init__(self, options: ClassifierOptions, labels: int) -> None:
        super().__init__()
        self.dropout = options.dropout
        self.activation = F.relu if options.head_activation == "relu" else torch.tanh
        widths = (POOLED * options.embedding, options.head, labels)
        self.norms = nn.ModuleList(SteadyBatchNorm(width) for width in widths[:-1])
        self.maps = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, L) logits."""
        values, scale = pooled, self.dropout.scale
        for place, rate in enumerate((self.dropout.pooled, self.dropout.head)):
            values = self.activation(values) if place else values
            values = self.maps[place](dropout(self.norms[place](values), rate * scale, self.training))
        return values
