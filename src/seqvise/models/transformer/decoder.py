"""The decoder: one step from the keys and values of those before, or all steps of a training batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import BOS, PAD, PickWords
from seqvise.models.recurrent.scheduled_sampling import StepEmbedding
from seqvise.models.transformer.attention import KeyValue
from seqvise.models.transformer.layers import DecoderLayer, WordInput, norm
from seqvise.models.transformer.options import TransformerOptions


@dataclass(frozen=True)
class TransformerMemory:
    """What the decoder reads of the source.

    Attributes:
        layers: for each decoder layer its keys and values of the source, (B, H, S, d).
        mask: (B, S) bool, true at real steps.
    """

    layers: tuple[KeyValue, ...]
    mask: Tensor

    def rows(self, rows: Tensor) -> TransformerMemory:
        """The memory of the chosen sentences. rows: (M,) int64, repeats allowed."""
        return TransformerMemory(tuple(layer.rows(rows) for layer in self.layers), self.mask[rows])


@dataclass(frozen=True)
class TransformerState:
    """What the decoder keeps of the words said.

    Attributes:
        layers: for each layer the keys and values of the steps so far, (N, H, t, d).
    """

    layers: tuple[KeyValue, ...]

    @property
    def position(self) -> int:
        """How many steps have been made."""
        return self.layers[0].keys.shape[2]

    def rows(self, rows: Tensor) -> TransformerState:
        """The state of the chosen rows. rows: (M,) int64, repeats allowed."""
        return TransformerState(tuple(layer.rows(rows) for layer in self.layers))


class Stepped(NamedTuple):
    """One step's output (N, D) before the projection, the state after it, and the last layer's attention (N, S)."""

    output: Tensor
    state: TransformerState
    attention: Tensor


class TransformerDecoder(nn.Module):
    """A stack of layers and a last norm."""

    def __init__(self, options: TransformerOptions, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, options.embedding, padding_idx=PAD)
        self.input = WordInput(options)
        self.layers = nn.ModuleList(DecoderLayer(options) for _ in range(options.decoder_layers))
        self.norm = norm(options)

    def memory(self, encoded: Tensor, mask: Tensor) -> TransformerMemory:
        """What all steps read of the source. encoded: (B, S, D), mask: (B, S) bool."""
        return TransformerMemory(tuple(layer.cross.keys_values(encoded) for layer in self._layers()), mask)

    def start(self, memory: TransformerMemory) -> TransformerState:
        """The state before the first step: keys and values of no steps."""
        return TransformerState(tuple(KeyValue(*(part[:, :, :0] for part in layer)) for layer in memory.layers))

    def step(self, tokens: Tensor, state: TransformerState, memory: TransformerMemory) -> Stepped:
        """One step. tokens: (N,) int64, the words said last."""
        return self._advance(self.embedding(tokens), state, memory)

    def unroll(self, target: Tensor, forced: Tensor | None, memory: TransformerMemory, pick: PickWords) -> Tensor:
        """The outputs of all steps of a batch, before the projection.

        Args:
            target: (B, T) int64, the references.
            forced: (B, T) bool on the CPU: where true, the step reads the reference's word before it, elsewhere the
                model's own. The first column is not looked at: every sentence begins with ``BOS``. None: all forced.
            memory: of the source.
            pick: outputs (B, D) to own words (B,) int64; called after the steps whose word is needed.

        Returns:
            (B, T, D).
        """
        words = F.pad(target[:, :-1], (1, 0), value=BOS)
        if forced is None:
            return self._unroll_forced(words, memory)
        return self._unroll_steps(words, forced, memory, pick)

    def _unroll_forced(self, words: Tensor, memory: TransformerMemory) -> Tensor:
        sequence = self.input(self.embedding(words))
        rotation = self.input.positions.rotation(0, words.shape[1], sequence.device)
        mask = memory.mask[:, None, None]
        for layer, source in zip(self.layers, memory.layers, strict=True):
            sequence = layer(sequence, rotation, source, mask)
        found: Tensor = self.norm(sequence)
        return found

    def _unroll_steps(self, words: Tensor, forced: Tensor, memory: TransformerMemory, pick: PickWords) -> Tensor:
        given = [True, *forced[:, 1:].all(0).tolist()]
        choose = forced.to(words.device)
        vectors = self.embedding(words)
        said = StepEmbedding(self.embedding.weight, words.shape[1], words.shape[0])
        state = self.start(memory)
        outputs: list[Tensor] = []
        for t in range(words.shape[1]):
            now = vectors[:, t]
            if not given[t]:
                now = said(t, torch.where(choose[:, t], words[:, t], pick(outputs[-1])))
            stepped = self._advance(now, state, memory)
            state = stepped.state
            outputs.append(stepped.output)
        return torch.stack(outputs, 1)

    def _advance(self, vectors: Tensor, state: TransformerState, memory: TransformerMemory) -> Stepped:
        sequence = self.input(vectors.unsqueeze(1), state.position)
        rotation = self.input.positions.rotation(state.position, 1, sequence.device)
        mask, weights = memory.mask[:, None, None], memory.mask
        after: list[KeyValue] = []
        for layer, past, source in zip(self._layers(), state.layers, memory.layers, strict=True):
            sequence, past, weights = layer.step(sequence, rotation, past, source, mask)
            after.append(past)
        return Stepped(self.norm(sequence).squeeze(1), TransformerState(tuple(after)), weights)

    def _layers(self) -> list[DecoderLayer]:
        return list(self.layers)  # type: ignore[arg-type]
