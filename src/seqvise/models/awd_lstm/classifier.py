"""A document classifier on an AWD-LSTM encoder (Howard and Ruder 2018, "Universal Language Model Fine-tuning")."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.awd_lstm.model import (
    AwdEncoder,
    StreamOutput,
    StreamState,
    detach_state,
    unfreeze_groups,
    with_factors,
)
from seqvise.models.awd_lstm.options import ClassifierOptions
from seqvise.models.devise.model import SteadyBatchNorm
from seqvise.models.interface import SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.recurrent.encoder import pool_concat

POOLED = 3
"""Number of concatenated poolings: last, maximum, mean."""


class ClassifierOutput(NamedTuple):
    """Result of the classifier.

    Attributes:
        logits: (B, L), of the labels.
        encoded: the encoder outputs, (B, S, D), and the final state.
    """

    logits: Tensor
    encoded: StreamOutput


class TextClassifier(nn.Module):
    """The encoder, a pooling over all tokens except padding, and the head.

    Args:
        options: the `model` node.
        vocab_size: V.
        labels: L, the number of labels.
    """

    def __init__(self, options: ClassifierOptions, vocab_size: int, labels: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = AwdEncoder(options, options.dropout, vocab_size)
        self.head = ClassifierHead(options, labels)

    def forward(self, documents: SourceBatch) -> ClassifierOutput:
        """Logits of documents, which are padded at the end."""
        encoded = self.encode(documents.ids)
        return ClassifierOutput(self.head(pool_concat(encoded.outputs, None, documents.lengths)), encoded)

    def encode(self, ids: Tensor) -> StreamOutput:
        """The encoder outputs of documents (B, S), computed window by window.

        Gradients stay within a window. Windows that end more than ``span`` words before the end of the longest document
        get no gradient at all.
        """
        window, steps = self.options.window, ids.shape[1]
        state: StreamState | None = None
        windows: list[StreamOutput] = []
        for start in range(0, steps, window):
            needs_grad = torch.is_grad_enabled() and start + window > steps - self.options.span
            with torch.set_grad_enabled(needs_grad):
                windows.append(self.encoder(ids[:, start : start + window], state))
            state = detach_state(windows[-1].state)
        outputs, raw = (torch.cat(parts, 1) for parts in ([w.outputs for w in windows], [w.raw for w in windows]))
        return StreamOutput(outputs, raw, windows[-1].state)

    def groups(self) -> list[list[nn.Parameter]]:
        """Word vectors, one group per layer, and the head."""
        parts = [self.encoder.embedding, *self.encoder.layers, self.head]
        return [list(part.parameters()) for part in parts]

    def rate_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """The groups with their learning-rate factors."""
        return with_factors(self.groups(), self.options.group_rates)

    def unfreeze(self, epoch: int) -> None:
        """Unfreezes the groups whose epoch is reached."""
        unfreeze_groups(self.groups(), self.options.unfreeze, epoch)


class ClassifierHead(nn.Module):
    """Two linear maps with an activation between them, each after batch norm and dropout: (B, 3D) to (B, L)."""

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
        for index, rate in enumerate((self.dropout.pooled, self.dropout.head)):
            values = self.activation(values) if index else values
            values = self.maps[index](dropout(self.norms[index](values), rate * scale, self.training))
        return values
