"""The recurrent encoder-decoder: the lesson's four models and all their tricks together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqvise.models.interface import PairBatch, PickWords, SourceBatch, StepOutput
from seqvise.models.kernels.dropout import dropout
from seqvise.models.recurrent.decoder import make_decoder
from seqvise.models.recurrent.encoder import RecurrentEncoder
from seqvise.models.recurrent.layers import DecoderState, Memory
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.softmax.generator import Generator, WordPicker


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
        self.encoder = RecurrentEncoder(options, source_size)
        first, top = self.encoder.final_sizes[0], self.encoder.final_sizes[-1]
        self.bridge = nn.Linear(top, options.decoder_hidden, bias=False)
        self.first_bridge = nn.Linear(first, options.decoder_hidden, bias=False) if first != top else None
        self.decoder = make_decoder(options, target_size, self.encoder.output_size)
        if options.share_embeddings:
            self._share_embeddings(source_size, target_size)
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
        finals = [dropout(final, rate, self.training) for final in encoded.finals]
        return Memory(
            start=tuple(self._begin(layer, finals) for layer in range(self.options.decoder_layers)),
            outputs=encoded.outputs if attention is not None else None,
            keys=attention.keys(encoded.outputs) if attention is not None else None,
            mask=src.mask(),
        )

    def init(self, memory: Memory) -> DecoderState:
        """The decoder's state before its first step."""
        return self.decoder.start(memory)

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> StepOutput[DecoderState]:
        """One step; see ``StepModel``. tokens: (N,) int64. Logits are (N, V), attention (N, S) or None."""
        stepped = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(stepped.output), stepped.state, stepped.attention)

    def reorder(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """The state of the chosen rows. rows: (M,) int64, repeats allowed."""
        return state.rows(rows)

    def select(self, memory: Memory, rows: Tensor) -> Memory:
        """The memory of the chosen sentences. rows: (M,) int64, repeats allowed."""
        return memory.rows(rows)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Puts word vectors into the embeddings. source, target: (V, D) each, or None to leave a side as it is."""
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors)

    def word_embeddings(self) -> list[Tensor]:
        """The parameters that hold word vectors, for a rate of their own."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _begin(self, layer: int, finals: list[Tensor]) -> Tensor:
        """Where a decoder layer begins; those above the encoder's top begin at its top."""
        place = min(layer, len(finals) - 1)
        # Where the first layer alone reads both ways, its state is wider than those above it.
        bridge = self.first_bridge if place == 0 and self.first_bridge is not None else self.bridge
        begin: Tensor = bridge(finals[place])
        return begin

    def _share_embeddings(self, source_size: int, target_size: int) -> None:
        if source_size != target_size:
            raise ValueError(f"One embedding for vocabularies of {source_size} and {target_size} words.")
        self.encoder.embedding.weight = self.decoder.embedding.weight

    def _initialise(self) -> None:
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            # Small, since a tied weight is also the projection: N(0, 1) would begin with a loss in the hundreds.
            nn.init.normal_(embedding.weight, std=0.1)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
