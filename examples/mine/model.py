"""A translation model with a bag-of-words encoder, which ignores word order."""

from __future__ import annotations

from torch import Tensor, nn

from mine.options import BagOptions
from seqvise.models.interface import PAD, SourceBatch
from seqvise.models.recurrent.encoder import Encoded
from seqvise.models.recurrent.model import Recurrent


class BagEncoder(nn.Module):
    """Encodes a sentence as its word vectors and one pooled vector."""

    def __init__(self, vocab_size: int, width: int, pooling: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width, padding_idx=PAD)
        self.output_size = width
        self.pooling = pooling

    def forward(self, src: SourceBatch) -> Encoded:
        """Encodes a batch: outputs (B, S, D), one final state (B, D)."""
        vectors: Tensor = self.embedding(src.ids)
        real = src.mask().unsqueeze(2)
        if self.pooling == "max":
            return Encoded(vectors, (vectors.masked_fill(~real, float("-inf")).amax(1),))
        return Encoded(vectors, ((vectors * real).sum(1) / real.sum(1),))


class BagOfWords(Recurrent):
    """A bag-of-words encoder with the recurrent decoder of seqvise."""

    options_type = BagOptions

    def __init__(self, options: BagOptions, source_size: int, target_size: int) -> None:
        super().__init__(options, source_size, target_size)
        self.encoder = BagEncoder(source_size, options.embedding, options.pooling)  # type: ignore[assignment]
        self.bridge = nn.Linear(options.embedding, options.decoder_hidden, bias=False)
