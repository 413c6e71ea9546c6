"""The transformer encoder-decoder (Vaswani et al. 2017) with pre-norm (Xiong et al. 2020)."""

from __future__ import annotations

import math

from torch import Tensor

from seqvise.models.encoder_decoder import EncoderDecoder
from seqvise.models.interface import SourceBatch
from seqvise.models.softmax.generator import Generator
from seqvise.models.transformer.decoder import TransformerDecoder, TransformerMemory, TransformerState
from seqvise.models.transformer.layers import TransformerEncoder
from seqvise.models.transformer.options import TransformerOptions


class Transformer(EncoderDecoder[TransformerMemory, TransformerState]):
    """Encoder, decoder and projection; arguments and errors are those of ``Recurrent``.

    The attention of a step is the mean over the heads of the last layer.
    """

    encoder: TransformerEncoder
    decoder: TransformerDecoder

    def __init__(self, options: TransformerOptions, source_size: int, target_size: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = TransformerEncoder(options, source_size)
        self.decoder = TransformerDecoder(options, target_size)
        if options.share_embeddings:
            self._share_embeddings()
        tied = self.decoder.embedding.weight if options.tie_output else None
        self.generator = Generator(target_size, options.embedding, tied)
        # Standard deviation 1 after the factor sqrt(D), and for the logits of a tied projection of normed outputs.
        self._initialise(options.embedding**-0.5)

    def encode(self, src: SourceBatch) -> TransformerMemory:
        return self.decoder.memory(self.encoder(src), src.mask())

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Copies word vectors into the embeddings, divided by sqrt(D), since ``WordInput`` multiplies by it."""
        factor = math.sqrt(self.options.embedding)
        scaled = (None if vectors is None else vectors / factor for vectors in (source, target))
        super().load_word_vectors(*scaled)
