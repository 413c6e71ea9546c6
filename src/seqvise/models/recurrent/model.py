"""The recurrent encoder-decoder, which covers the four models of the fast.ai (2018) translation lesson and more."""

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
        options: the `model` node.
        source_size: size of the source vocabulary.
        target_size: size of the target vocabulary.

    Raises:
        ValueError: ``options.share_embeddings`` with vocabularies of different sizes.
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
            forced: (B, T) bool on the CPU. True: the input of the step is the reference token (teacher forcing); false:
                the token that the model predicts. None forces all.
            pick: outputs (B, D) to predicted tokens (B,); None takes the argmax in full precision.
        """
        pick = pick or WordPicker(self.generator, torch.float32)
        return self.decoder.unroll(batch.target, forced, self.encode(batch.source), pick)

    def encode(self, src: SourceBatch) -> Memory:
        """The encoded source, computed once per sentence."""
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

    def init(self, memory: Memory) -> DecoderState:
        """The decoder state before the first step."""
        return self.decoder.start(memory)

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> StepOutput[DecoderState]:
        """One step; see ``StepModel``. tokens: (N,) int64. Logits are (N, V), attention (N, S) or None."""
        result = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(result.output), result.state, result.attention)

    def reorder(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """The state of the selected rows. rows: (M,) int64, repeats allowed."""
        return state.rows(rows)

    def select(self, memory: Memory, rows: Tensor) -> Memory:
        """The memory of the selected sentences. rows: (M,) int64, repeats allowed."""
        return memory.rows(rows)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Copies word vectors into the embeddings. source, target: (V, D) each, or None to leave a side unchanged."""
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors)

    def word_embeddings(self) -> list[Tensor]:
        """The embedding parameters, which may have a separate learning rate."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _initial_hidden(self, layer: int, finals: list[Tensor]) -> Tensor:
        """The initial hidden state of a decoder layer; layers above the encoder's top layer start from that one."""
        index = min(layer, len(finals) - 1)
        # If only the first layer is bidirectional, its state is wider than those of the layers above.
        bridge = self.first_bridge if index == 0 and self.first_bridge is not None else self.bridge
        hidden: Tensor = bridge(finals[index])
        return hidden

    def _share_embeddings(self, source_size: int, target_size: int) -> None:
        if source_size != target_size:
            raise ValueError(
                f"model.share_embeddings is true, but the vocabularies have {source_size} and {target_size} words, and "
                "must have the same size: set model.share_embeddings=false."
            )
        self.encoder.embedding.weight = self.decoder.embedding.weight

    def _initialise(self) -> None:
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            # Small, since a tied weight is also the projection: with N(0, 1) the initial loss would be in the hundreds.
            nn.init.normal_(embedding.weight, std=0.1)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
