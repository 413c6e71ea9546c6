"""The transformer encoder-decoder (Vaswani et al. 2017) with the norms before the sublayers (Xiong et al. 2020)."""

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
        options: the choices.
        source_size: words of the source vocabulary.
        target_size: words of the target vocabulary.

    Raises:
        ValueError: one embedding for both sides, whose vocabularies differ in size.
    """

    def __init__(self, options: TransformerOptions, source_size: int, target_size: int) -> None:
        super().__init__()
        if options.share_embeddings and source_size != target_size:
            raise ValueError(f"One embedding for both sides, but they have {source_size} and {target_size} words.")
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
            forced: (B, T) bool on the CPU, true where a step reads the reference's word; None where all do.
            pick: outputs (B, D) to the model's own words (B,); None takes the likeliest in full precision.
        """
        pick = pick or WordPicker(self.generator, torch.float32)
        return self.decoder.unroll(batch.target, forced, self.encode(batch.source), pick)

    def encode(self, src: SourceBatch) -> TransformerMemory:
        """What the decoder reads of the source, computed once a sentence."""
        return self.decoder.memory(self.encoder(src), src.mask())

    def init(self, memory: TransformerMemory) -> TransformerState:
        """The decoder's state before its first step."""
        return self.decoder.start(memory)

    def step(self, tokens: Tensor, state: TransformerState, memory: TransformerMemory) -> StepOutput[TransformerState]:
        """One step; see ``StepModel``. tokens: (N,) int64.

        Logits are (N, V); attention (N, S) is that of the last layer, the mean over its heads.
        """
        stepped = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(stepped.output), stepped.state, stepped.attention)

    def reorder(self, state: TransformerState, rows: Tensor) -> TransformerState:
        """The state of the chosen rows. rows: (M,) int64, repeats allowed."""
        return state.rows(rows)

    def select(self, memory: TransformerMemory, rows: Tensor) -> TransformerMemory:
        """The memory of the chosen sentences. rows: (M,) int64, repeats allowed."""
        return memory.rows(rows)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Puts word vectors into the embeddings, such that the layers read them as they are given.

        source, target: (V, D) each, or None to leave a side as it is. Where both sides share one embedding, the
        target's stand.
        """
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors / math.sqrt(self.options.embedding))

    def word_embeddings(self) -> list[Tensor]:
        """The parameters that hold word vectors, for a rate of their own."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _initialise(self) -> None:
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            # Read times sqrt(D), they have deviation 1; as a tied projection of normed outputs they give logits of 1.
            nn.init.normal_(embedding.weight, std=self.options.embedding**-0.5)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
