"""The recurrent encoder-decoder, which covers the four models of the fast.ai (2018) translation lesson and more."""

from __future__ import annotations

from torch import Tensor, nn

from seqvise.models.encoder_decoder import EncoderDecoder
from seqvise.models.interface import SourceBatch
from seqvise.models.kernels.dropout import dropout
from seqvise.models.recurrent.decoder import RecurrentDecoder, make_decoder
from seqvise.models.recurrent.encoder import RecurrentEncoder
from seqvise.models.recurrent.layers import DecoderState, Memory
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.softmax.generator import Generator


class Recurrent(EncoderDecoder[Memory, DecoderState]):
    """Encoder, bridge, decoder and projection.

    Args:
        options: the `model` node.
        source_size: size of the source vocabulary.
        target_size: size of the target vocabulary.

    Raises:
        ValueError: ``options.share_embeddings`` with vocabularies of different sizes.
    """

    encoder: RecurrentEncoder
    decoder: RecurrentDecoder

    def __init__(self, options: RecurrentOptions, source_size: int, target_size: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = RecurrentEncoder(options, source_size)
        first, top = self.encoder.final_sizes[0], self.encoder.final_sizes[-1]
        self.bridge = nn.Linear(top, options.decoder_hidden, bias=False)
        self.first_bridge = nn.Linear(first, options.decoder_hidden, bias=False) if first != top else None
        self.decoder = make_decoder(options, target_size, self.encoder.output_size)
        if options.share_embeddings:
            self._share_embeddings()
        tied = self.decoder.embedding.weight if options.tie_output else None
        self.generator = Generator(target_size, self.decoder.output_size, tied)
        # Small, since a tied weight is also the projection: with N(0, 1) the initial loss would be in the hundreds.
        self._initialise(0.1)

    def encode(self, src: SourceBatch) -> Memory:
        encoded = self.encoder(src)
        attention = self.decoder.attention
        rate = self.options.dropout.state * self.options.dropout.scale
        finals = [dropout(final, rate, self.training) for final in encoded.finals]
        return Memory(
            start=tuple(self._initial_hidden(layer, finals) for layer in range(self.options.decoder_layers)),
            outputs=encoded.outputs if attention is not None else None,
            keys=attention.keys(encoded.outputs) if attention is not None else None,
            mask=src.mask(),
        )

    def _initial_hidden(self, layer: int, finals: list[Tensor]) -> Tensor:
        """The initial hidden state of a decoder layer; layers above the encoder's top layer start from that one."""
        index = min(layer, len(finals) - 1)
        # If only the first layer is bidirectional, its state is wider than those of the layers above.
        bridge = self.first_bridge if index == 0 and self.first_bridge is not None else self.bridge
        hidden: Tensor = bridge(finals[index])
        return hidden
