"""A document classifier on an AWD-LSTM encoder (Howard and Ruder 2018, "Universal Language Model Fine-tuning")."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.awd_lstm.model import (
    AwdEncoder,
    StagedModel,
    StreamOutput,
    StreamState,
    detach_state,
)
from seqvise.models.awd_lstm.options import ClassifierOptions
from seqvise.models.devise.model import Head
from seqvise.models.interface import SourceBatch
from seqvise.models.recurrent.encoder import pool_concat

POOLED = 3
"""Number of concatenated poolings: last, maximum, mean."""


class ClassifierOutput(NamedTuple):
    """Result of the classifier."""

    logits: Tensor  # (B, L), of the labels
    encoded: StreamOutput  # the encoder outputs, (B, S, D), and the final state


class TextClassifier(StagedModel):
    """The encoder, a pooling over all tokens except padding, and the head.

    Args:
        options: the `model` node.
        vocab_size: V.
        labels: L, the number of labels.
    """

    def __init__(self, options: ClassifierOptions, vocab_size: int, labels: int) -> None:
        super().__init__()
        self.options: ClassifierOptions = options
        self.encoder = AwdEncoder(options, options.dropout, vocab_size)
        widths = (POOLED * options.embedding, options.head, labels)
        activation = F.relu if options.head_activation == "relu" else torch.tanh
        self.head = Head(widths, options.dropout, ("pooled", "head"), activation)

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
