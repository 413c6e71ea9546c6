"""The recurrent encoder-decoder: the lesson's four models and all their tricks together."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.decoder import DecoderState, Memory, RecurrentDecoder
from seqvise.models.encoder import RecurrentEncoder
from seqvise.models.generator import Generator, WordPicker
from seqvise.models.interface import PairBatch, PickWords, SourceBatch, StepOutput
from seqvise.models.options import RecurrentOptions


class Recurrent(nn.Module):
    """Encoder, bridge, decoder and projection.

    Args:
        options: the choices.
        source_size: words of the source vocabulary.
        target_size: words of the target vocabulary.
    """

    def __init__(self, options: RecurrentOptions, source_size: int, target_size: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = RecurrentEncoder(
            source_size,
            options.embedding,
            options.encoder_hidden,
            options.encoder_layers,
            options.cell,
            options.bidirectional,
            options.dropout,
        )
        self.bridge = nn.Linear(self.encoder.output_size, options.decoder_hidden, bias=False)
        self.decoder = RecurrentDecoder(options, target_size, self.encoder.output_size)
        tied = self.decoder.embedding.weight if options.tie_output else None
        self.generator = Generator(target_size, self.decoder.output_size, tied)
        self._initialise()

    def forward(self, batch: PairBatch, forced: Tensor | None = None, pick: PickWords | None = None) -> Tensor:
        """The decoder's outputs before the projection: (B, T, D).

        Args:
            batch: sources and references.
            forced: (B, T) bool on the CPU, true where a step reads the reference's word; None where all do.
            pick: outputs (B, D) to the model's own words (B,); None takes the likeliest in full precision.
        """
        pick = pick or WordPicker(self.generator, torch.float32)
        return self.decoder.unroll(batch.target, forced, self.encode(batch.source), pick)

    def encode(self, src: SourceBatch) -> Memory:
        """What the decoder reads of the source, computed once a sentence."""
        encoded = self.encoder(src)
        attention = self.decoder.attention
        rate = self.options.dropout.state * self.options.dropout.scale
        finals = [F.dropout(final, rate, self.training) for final in encoded.finals]
        top = len(finals) - 1
        return Memory(
            # Where the decoder is deeper than the encoder, its upper layers begin at the encoder's top.
            start=tuple(self.bridge(finals[min(layer, top)]) for layer in range(self.options.decoder_layers)),
            outputs=encoded.outputs if attention is not None else None,
            keys=attention.keys(encoded.outputs) if attention is not None else None,
            mask=src.mask(),
        )

    def init(self, memory: Memory) -> DecoderState:
        """The decoder's state before its first step."""
        return self.decoder.start(memory)

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> StepOutput[DecoderState]:
        """One step. tokens: (N,) int64, the words said last. Logits are (N, V), attention (N, S) or None."""
        stepped = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(stepped.output), stepped.state, stepped.attention)

    def reorder(self, state: DecoderState, memory: Memory, rows: Tensor) -> tuple[DecoderState, Memory]:
        """State and memory of the chosen rows. rows: (M,) int64, repeats allowed."""
        chosen = tuple(tuple(part[rows] for part in layer) for layer in state)
        return chosen, memory.rows(rows)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Puts word vectors into the embeddings. source, target: (V, D) each, or None to leave a side as it is."""
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors)

    def word_embeddings(self) -> list[Tensor]:
        """The parameters that hold word vectors, for a rate of their own."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _initialise(self) -> None:
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            # Small, since a tied weight is also the projection: N(0, 1) would begin with a loss in the hundreds.
            nn.init.normal_(embedding.weight, std=0.1)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
