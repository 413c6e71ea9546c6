"""The transformer decoder: single steps with cached keys and values, and all steps of a training batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.encoder_decoder import DecoderStep
from seqvise.models.interface import BOS, PAD, PickWords
from seqvise.models.recurrent.decoder_inputs import StepEmbedding
from seqvise.models.transformer.attention import KeyValue
from seqvise.models.transformer.layers import DecoderLayer, WordInput, norm
from seqvise.models.transformer.options import TransformerOptions


@dataclass(frozen=True)
class TransformerMemory:
    """The encoded source."""

    layers: tuple[KeyValue, ...]  # keys and values of the source for each decoder layer, (B, H, S, d)
    mask: Tensor  # (B, S) bool, false at padding


@dataclass(frozen=True)
class TransformerState:
    """The key-value cache of the decoder."""

    layers: tuple[KeyValue, ...]  # keys and values of the previous steps for each layer, (N, H, t, d)

    @property
    def position(self) -> int:
        """The number of previous steps, t."""
        return self.layers[0].keys.shape[2]


class TransformerDecoder(nn.Module):
    """A stack of layers and a final norm. vocab_size: V."""

    def __init__(self, options: TransformerOptions, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, options.embedding, padding_idx=PAD)
        self.input = WordInput(options)
        self.layers: Any = nn.ModuleList(DecoderLayer(options) for _ in range(options.decoder_layers))
        self.norm = norm(options)

    def memory(self, encoded: Tensor, mask: Tensor) -> TransformerMemory:
        """Keys and values of the source for all layers. encoded: (B, S, D), mask: (B, S) bool."""
        return TransformerMemory(tuple(layer.cross.keys_values(encoded) for layer in self.layers), mask)

    def start(self, memory: TransformerMemory) -> TransformerState:
        """The state before the first step: an empty cache."""
        return TransformerState(tuple(KeyValue(*(part[:, :, :0] for part in layer)) for layer in memory.layers))

    def step(self, tokens: Tensor, state: TransformerState, memory: TransformerMemory) -> DecoderStep[TransformerState]:
        """One decoding step. tokens: (N,) int64, the previous tokens."""
        return self._advance(self.embedding(tokens), state, memory)

    def unroll(self, target: Tensor, forced: Tensor | None, memory: TransformerMemory, pick: PickWords) -> Tensor:
        """The outputs of all steps of a batch, before the projection: (B, T, D). See ``EncoderDecoder.forward``."""
        inputs = F.pad(target[:, :-1], (1, 0), value=BOS)
        if forced is None:
            return self._unroll_forced(inputs, memory)
        return self._unroll_steps(inputs, forced, memory, pick)

    def _unroll_forced(self, inputs: Tensor, memory: TransformerMemory) -> Tensor:
        sequence = self.input(self.embedding(inputs))
        rotation = self.input.positions.rotation(0, inputs.shape[1], sequence.device)
        mask = memory.mask[:, None, None]
        for layer, source in zip(self.layers, memory.layers, strict=True):
            sequence = layer(sequence, rotation, source, mask)
        outputs: Tensor = self.norm(sequence)
        return outputs

    def _unroll_steps(self, inputs: Tensor, forced: Tensor, memory: TransformerMemory, pick: PickWords) -> Tensor:
        all_forced = [True, *forced[:, 1:].all(0).tolist()]
        forced = forced.to(inputs.device)
        embedded = self.embedding(inputs)
        embed_step = StepEmbedding(self.embedding.weight, inputs.shape[1], inputs.shape[0])
        state = self.start(memory)
        outputs: list[Tensor] = []
        for t in range(inputs.shape[1]):
            step_embedded = embedded[:, t]
            if not all_forced[t]:
                step_embedded = embed_step(t, torch.where(forced[:, t], inputs[:, t], pick(outputs[-1])))
            result = self._advance(step_embedded, state, memory)
            state = result.state
            outputs.append(result.output)
        return torch.stack(outputs, 1)

    def _advance(
        self, vectors: Tensor, state: TransformerState, memory: TransformerMemory
    ) -> DecoderStep[TransformerState]:
        sequence = self.input(vectors.unsqueeze(1), state.position)
        rotation = self.input.positions.rotation(state.position, 1, sequence.device)
        mask, weights = memory.mask[:, None, None], memory.mask
        cache: list[KeyValue] = []
        for layer, past, source in zip(self.layers, state.layers, memory.layers, strict=True):
            sequence, past, weights = layer.step(sequence, rotation, past, source, mask)
            cache.append(past)
        return DecoderStep(self.norm(sequence).squeeze(1), TransformerState(tuple(cache)), weights)
