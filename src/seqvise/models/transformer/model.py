"""The transformer encoder-decoder (Vaswani et al. 2017) with pre-norm (Xiong et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqvise.models.interface import PairBatch, PickWords, SourceBatch, StepOutput
from seqvise.models.softmax.generator import Generator, WordPicker
from seqvise.models.transformer.decoder import TransformerDecoder, TransformerMemory, TransformerState
from seqvise.models.transformer.layers import TransformerEncoder
from seqvise.models.transformer.options import TransformerOptions


class Transformer(nn.Module):
    """Encoder, decoder and projection.

    Args:
        options: the `model` node.
        source_size: size of the source vocabulary.
        target_size: size of the target vocabulary.

    Raises:
        ValueError: ``options.share_embeddings`` with vocabularies of different sizes.
    """

    def __init__(self, options: TransformerOptions, source_size: int, target_size: int) -> None:
        super().__init__()
        if options.share_embeddings and source_size != target_size:
            raise ValueError(
                f"model.share_embeddings is true, but the vocabularies have {source_size} and {target_size} words, and "
                "must have the same size: set model.share_embeddings=false."
            )
        self.options = options
        self.encoder = TransformerEncoder(options, source_size)
        self.decoder = TransformerDecoder(options, target_size)
        if options.share_embeddings:
            self.encoder.embedding = self.decoder.embedding
        tied = self.decoder.embedding.weight if options.tie_output else None
        self.generator = Generator(target_size, options.embedding, tied)
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

    def encode(self, src: SourceBatch) -> TransformerMemory:
        """The encoded source, computed once per sentence."""
        return self.decoder.memory(self.encoder(src), src.mask())

    def init(self, memory: TransformerMemory) -> TransformerState:
        """The decoder state before the first step."""
        return self.decoder.start(memory)

    def step(self, tokens: Tensor, state: TransformerState, memory: TransformerMemory) -> StepOutput[TransformerState]:
        """One step; see ``StepModel``. tokens: (N,) int64.

        Logits are (N, V); attention (N, S) is the mean over the heads of the last layer.
        """
        result = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(result.output), result.state, result.attention)

    def reorder(self, state: TransformerState, rows: Tensor) -> TransformerState:
        """The state of the selected rows. rows: (M,) int64, repeats allowed."""
        return state.rows(rows)

    def select(self, memory: TransformerMemory, rows: Tensor) -> TransformerMemory:
        """The memory of the selected sentences. rows: (M,) int64, repeats allowed."""
        return memory.rows(rows)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Copies word vectors into the embeddings, divided by sqrt(D), since ``WordInput`` multiplies by it.

        source, target: (V, D) each, or None to leave a side unchanged. The target's take precedence in a shared
        embedding.
        """
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors / math.sqrt(self.options.embedding))

    def word_embeddings(self) -> list[Tensor]:
        """The embedding parameters, which may have a separate learning rate."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _initialise(self) -> None:
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            # Standard deviation 1 after the factor sqrt(D), and for the logits of a tied projection of normed outputs.
            nn.init.normal_(embedding.weight, std=self.options.embedding**-0.5)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
