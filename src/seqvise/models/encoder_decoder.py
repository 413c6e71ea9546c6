"""What the recurrent model and the transformer have in common."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from seqvise.models.interface import MemoryT, PairBatch, PickWords, SourceBatch, StateT, StepOutput, map_tensors
from seqvise.models.softmax.generator import Generator, WordPicker


class DecoderStep(NamedTuple, Generic[StateT]):
    """One step's output (N, D) before the projection, the state after it, and the attention (N, S) or None."""

    output: Tensor
    state: StateT
    attention: Tensor | None


class EncoderDecoder(nn.Module, Generic[MemoryT, StateT]):
    """A translation model (see ``Seq2SeqModel``) with an ``encoder``, a ``decoder`` and a ``generator``."""

    encoder: Any
    decoder: Any
    generator: Generator

    def forward(self, batch: PairBatch, forced: Tensor | None = None, pick: PickWords | None = None) -> Tensor:
        """The decoder's outputs before the projection: (B, T, D).

        Args:
            batch: sources and references.
            forced: (B, T) bool on the CPU. True: the input of the step is the reference token (teacher forcing); false:
                the token that the model predicts. None forces all. The first column is ignored: the first input is
                always ``BOS``.
            pick: outputs (N, D) to predicted tokens (N,) int64; called only if the next step uses the prediction. None
                takes the argmax in full precision.
        """
        pick = pick or WordPicker(self.generator, torch.float32)
        outputs: Tensor = self.decoder.unroll(batch.target, forced, self.encode(batch.source), pick)
        return outputs

    def encode(self, src: SourceBatch) -> MemoryT:
        """See ``StepModel``, as for the next four."""
        raise NotImplementedError

    def init(self, memory: MemoryT) -> StateT:
        state: StateT = self.decoder.start(memory)
        return state

    def step(self, tokens: Tensor, state: StateT, memory: MemoryT) -> StepOutput[StateT]:
        result: DecoderStep[StateT] = self.decoder.step(tokens, state, memory)
        return StepOutput(self.generator(result.output), result.state, result.attention)

    def reorder(self, state: StateT, rows: Tensor) -> StateT:
        # index_select is three to nine times as fast on a CPU as part[rows].
        return map_tensors(lambda part: part.index_select(0, rows), state)

    def select(self, memory: MemoryT, rows: Tensor) -> MemoryT:
        return map_tensors(lambda part: part.index_select(0, rows), memory)

    def load_word_vectors(self, source: Tensor | None, target: Tensor | None) -> None:
        """Copies word vectors into the embeddings. The target's take precedence in a shared embedding.

        source, target: (V, D) each, or None to leave a side unchanged.
        """
        for embedding, vectors in ((self.encoder.embedding, source), (self.decoder.embedding, target)):
            if vectors is not None:
                with torch.no_grad():
                    embedding.weight.copy_(vectors)

    def word_embeddings(self) -> list[Tensor]:
        """The embedding parameters, which may have a separate learning rate."""
        return [self.encoder.embedding.weight, self.decoder.embedding.weight]

    def _share_embeddings(self) -> None:
        source, target = self.encoder.embedding, self.decoder.embedding
        if source.num_embeddings != target.num_embeddings:
            raise ValueError(
                f"model.share_embeddings is true, but the vocabularies have {source.num_embeddings} and "
                f"{target.num_embeddings} words, and must have the same size: set model.share_embeddings=false."
            )
        source.weight = target.weight

    def _initialise(self, deviation: float) -> None:
        """Draws the embeddings; the vectors of padding are zero."""
        for embedding in (self.encoder.embedding, self.decoder.embedding):
            nn.init.normal_(embedding.weight, std=deviation)
            with torch.no_grad():
                embedding.weight[embedding.padding_idx] = 0
