"""The recurrent decoder: one step, or all steps of a training batch under any mix of forced and own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.attention import AdditiveAttention
from seqvise.models.interface import BOS, PAD, PickWords
from seqvise.models.layers import LAYERS, GruLayer, LayerState, LstmLayer
from seqvise.models.lookup import StepLookup
from seqvise.models.options import RecurrentOptions

DecoderState = tuple[LayerState, ...]
"""The state of each layer, the lowest first."""


@dataclass(frozen=True)
class Memory:
    """What the decoder reads of the source.

    Attributes:
        start: for each decoder layer (B, H), where its state begins.
        outputs: (B, S, M), the encoder's outputs, or None where the model has no attention.
        keys: (B, S, A), their projection, or None likewise.
        mask: (B, S) bool, true at real steps.
    """

    start: tuple[Tensor, ...]
    outputs: Tensor | None
    keys: Tensor | None
    mask: Tensor

    def rows(self, rows: Tensor) -> Memory:
        """The memory of the chosen sentences. rows: (M,) int64, repeats allowed."""
        return Memory(
            tuple(part[rows] for part in self.start),
            None if self.outputs is None else self.outputs[rows],
            None if self.keys is None else self.keys[rows],
            self.mask[rows],
        )


class Stepped(NamedTuple):
    """One step's output (N, D) before the projection, the state after it, and the attention (N, S) or None."""

    output: Tensor
    state: DecoderState
    attention: Tensor | None


class RecurrentDecoder(nn.Module):
    """A stack of recurrent layers, with attention or without.

    With attention, the step before's top state asks, and the first layer reads ``W [embedding; context]``.
    With a readout, the output is ``tanh(W [state; context; embedding])`` instead of the top state.
    """

    def __init__(self, options: RecurrentOptions, words: int, memory_size: int) -> None:
        super().__init__()
        width, hidden = options.embedding, options.decoder_hidden
        self.embedding = nn.Embedding(words, width, padding_idx=PAD)
        sizes = [width] + [hidden] * (options.decoder_layers - 1)
        self.layers = nn.ModuleList(LAYERS[options.cell](size, hidden) for size in sizes)
        self.attention: AdditiveAttention | None = None
        context = 0
        if options.attention == "additive":
            context = memory_size
            self.attention = AdditiveAttention(memory_size, hidden, hidden, options.attention_activation)
        self.mix = nn.Linear(width + context, width) if context else None
        self.readout = nn.Linear(hidden + context + width, width) if options.readout else None
        self.output_size = width if options.readout else hidden
        self.dropout = options.dropout

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first step."""
        return tuple(layer.start(hidden) for layer, hidden in zip(self._layers(), memory.start, strict=True))

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> Stepped:
        """One step. tokens: (N,) int64, the words said last."""
        embedded = self._embed(tokens)
        return self._advance(embedded, self._inputs(embedded), state, memory)

    def unroll(self, target: Tensor, forced: Tensor | None, memory: Memory, pick: PickWords) -> Tensor:
        """The outputs of all steps of a batch, before the projection.

        Args:
            target: (B, T) int64, the references.
            forced: (B, T) bool on the CPU: where true, the step reads the reference's word before it, elsewhere the
                model's own. The first column is not looked at: every sentence begins with ``BOS``. None: all forced.
            memory: from the encoder.
            pick: outputs (B, D) to own words (B,) int64; called after the steps whose word is needed.

        Returns:
            (B, T, D).
        """
        words = F.pad(target[:, :-1], (1, 0), value=BOS)
        embedded = self._embed(words)
        if forced is None and self.attention is None:
            return self._unroll_forced(embedded, memory)
        return self._unroll_steps(embedded, words, forced, memory, pick)

    def _unroll_forced(self, embedded: Tensor, memory: Memory) -> Tensor:
        sequence = embedded
        for index, (layer, hidden) in enumerate(zip(self._layers(), memory.start, strict=True)):
            sequence = layer.run(self._between(index, sequence), layer.start(hidden))
        return self._output(sequence, None, embedded)

    def _unroll_steps(
        self,
        embedded: Tensor,
        words: Tensor,
        forced: Tensor | None,
        memory: Memory,
        pick: PickWords,
    ) -> Tensor:
        given = [True] * words.shape[1] if forced is None else [True, *forced[:, 1:].all(0).tolist()]
        inputs = self._inputs(embedded)
        choose = None if forced is None else forced.to(words.device)
        said = StepLookup(self.embedding.weight, words.shape[1], words.shape[0])
        state = self.start(memory)
        outputs: list[Tensor] = []
        for t in range(words.shape[1]):
            now, read = embedded[:, t], inputs[:, t]
            if not given[t]:
                assert choose is not None
                tokens = torch.where(choose[:, t], words[:, t], pick(outputs[-1]))
                now = self._drop_words(said(t, tokens))
                read = self._inputs(now)
            stepped = self._advance(now, read, state, memory)
            state = stepped.state
            outputs.append(stepped.output)
        return torch.stack(outputs, 1)

    def _advance(self, embedded: Tensor, inputs: Tensor, state: DecoderState, memory: Memory) -> Stepped:
        context = weights = None
        if self.attention is not None:
            assert self.mix is not None
            assert memory.outputs is not None
            assert memory.keys is not None
            context, weights = self.attention(state[-1][0], memory.keys, memory.outputs, memory.mask)
            inputs = torch.addmm(inputs, context, self.mix.weight[:, embedded.shape[1] :].t())
        after: list[LayerState] = []
        for index, layer in enumerate(self._layers()):
            after.append(layer.step(layer.gates(self._between(index, inputs)), state[index]))
            inputs = after[-1][0]
        return Stepped(self._output(inputs, context, embedded), tuple(after), weights)

    def _embed(self, tokens: Tensor) -> Tensor:
        return self._drop_words(self.embedding(tokens))

    def _drop_words(self, embedded: Tensor) -> Tensor:
        return F.dropout(embedded, self.dropout.target * self.dropout.scale, self.training)

    def _inputs(self, embedded: Tensor) -> Tensor:
        """What the first layer reads of the word alone; a step adds the context's share."""
        if self.mix is None:
            return embedded
        return F.linear(embedded, self.mix.weight[:, : embedded.shape[-1]], self.mix.bias)

    def _between(self, index: int, inputs: Tensor) -> Tensor:
        rate = self.dropout.decoder * self.dropout.scale
        return F.dropout(inputs, rate, self.training) if index else inputs

    def _output(self, state: Tensor, context: Tensor | None, embedded: Tensor) -> Tensor:
        if self.readout is not None:
            parts = [state, embedded] if context is None else [state, context, embedded]
            state = torch.tanh(self.readout(torch.cat(parts, -1)))
        return F.dropout(state, self.dropout.output * self.dropout.scale, self.training)

    def _layers(self) -> list[GruLayer | LstmLayer]:
        return list(self.layers)  # type: ignore[arg-type]
