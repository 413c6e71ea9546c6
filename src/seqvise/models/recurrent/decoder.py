"""The recurrent decoder: single steps, and whole training batches with any mix of teacher forcing and free running."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.encoder_decoder import DecoderStep
from seqvise.models.interface import BOS, PAD, PickWords
from seqvise.models.kernels.dropout import Drop, WordDrop, keep, make_dropout, make_word_dropout
from seqvise.models.kernels.step_linear import MakeProduct, plain_product, products_for
from seqvise.models.recurrent.attention import Attend, Attention, make_attention
from seqvise.models.recurrent.decoder_inputs import (
    Identity,
    InputFusion,
    Output,
    ScheduledSampling,
    StepEmbedding,
    StepFusion,
    make_readout,
)
from seqvise.models.recurrent.layers import (
    LAYERS,
    Cell,
    DecoderState,
    LayerState,
    Memory,
    RecurrentLayer,
    residual_norms,
)
from seqvise.models.recurrent.options import RecurrentOptions

Attended = tuple[tuple[Tensor, ...], Tensor | None]
"""One context (N, M) and the attention weights (N, S); () and None without attention at this place."""


class DecoderPass(NamedTuple):
    """The decoder bound to the weights and the dropout masks of one pass over a batch."""

    drop_words: WordDrop  # dropout of whole words of the vocabulary
    drop_target: Drop  # dropout of the embedded tokens
    fuse: StepFusion  # computes the input of the first layer
    drop_between: tuple[Drop, ...]  # dropout before each layer
    cells: tuple[Cell, ...]  # the layers
    recurrent_weights: tuple[Tensor, ...]  # one per layer
    attend: Attend | None  # the attention, or None
    read_out: Output  # computes the output from top state, context and word
    drop_output: Drop  # dropout of the output

    def embed(self, embedding: nn.Embedding, tokens: Tensor) -> Tensor:
        """The vectors (..., D) of tokens (...), with dropout."""
        return self.drop_target(self.drop_words(tokens, embedding(tokens)))


class RecurrentDecoder(nn.Module):
    """A stack of recurrent layers without attention.

    The input of the first layer is the word vector, or ``W [word; last output]`` with input feeding. The output is the
    top layer's, or ``tanh(W [state; word])`` with a readout.

    Args:
        options: the `model` node.
        vocab_size: V.
        memory_size: width of the encoder outputs.
    """

    reads_context: ClassVar[bool] = False
    """Whether the context is an input of the first layer."""

    def __init__(self, options: RecurrentOptions, vocab_size: int, memory_size: int) -> None:
        super().__init__()
        width, hidden = options.embedding, options.decoder_hidden
        widths = [(width, hidden)] + [(hidden, hidden)] * (options.decoder_layers - 1)
        self.embedding = nn.Embedding(vocab_size, width, padding_idx=PAD)
        self.layers = nn.ModuleList(LAYERS[options.cell](input_size, output_size) for input_size, output_size in widths)
        self.attention: Attention | None = make_attention(options, memory_size)
        others = memory_size * self.reads_context + options.output_size() * options.input_feeding
        self.mix = InputFusion(width, others) if others else Identity()
        self.readout = make_readout(options, memory_size)
        self.joints = residual_norms(widths, options.residual, options.layer_norm)
        self.output_size = self.readout.output_size
        self.feeds = options.input_feeding
        self.dropout = options.dropout

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first step."""
        layers = tuple(layer.start(hidden) for layer, hidden in zip(self._layers(), memory.start, strict=True))
        top = memory.start[-1]
        return DecoderState(layers, (top.new_zeros(top.shape[0], self.output_size),) if self.feeds else ())

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> DecoderStep[DecoderState]:
        """One decoding step. tokens: (N,) int64, the previous tokens."""
        bound = self._bind(plain_product)
        embedded = bound.embed(self.embedding, tokens)
        return self._advance(bound, embedded, bound.fuse.project_word(embedded), state, memory)

    def unroll(self, target: Tensor, forced: Tensor | None, memory: Memory, pick: PickWords) -> Tensor:
        """The outputs of all steps of a batch, before the projection: (B, T, D). See ``EncoderDecoder.forward``."""
        inputs = F.pad(target[:, :-1], (1, 0), value=BOS)
        if forced is None and not self._is_sequential():
            return self._unroll_at_once(inputs, memory)
        return self._unroll_steps(inputs, ScheduledSampling(inputs, forced, pick), memory)

    def _is_sequential(self) -> bool:
        """Whether a step needs more of the previous step than the states of the layers."""
        return self.feeds

    def _unroll_at_once(self, tokens: Tensor, memory: Memory) -> Tensor:
        bound = self._bind(plain_product)
        embedded = bound.embed(self.embedding, tokens)
        top = self._run_sequence(bound, embedded, memory)
        contexts, _ = self._attend_after(bound, top.flatten(0, 1), memory)
        contexts = tuple(context.view(*top.shape[:2], -1) for context in contexts)
        return bound.drop_output(bound.read_out(top, contexts, embedded))

    def _unroll_steps(self, inputs: Tensor, sampling: ScheduledSampling, memory: Memory) -> Tensor:
        rows, steps = inputs.shape
        bound = self._bind(products_for(steps, rows, inputs.device))
        embedded = bound.embed(self.embedding, inputs)
        projected = self.mix.project_words(embedded)
        embed_step = StepEmbedding(self.embedding.weight, steps, rows)
        state = self.start(memory)
        outputs: list[Tensor] = []
        for t in range(steps):
            step_embedded, step_projected = embedded[:, t], projected[:, t]
            if sampling.has_predictions(t):
                tokens = sampling(t, outputs[-1])
                step_embedded = bound.drop_target(bound.drop_words(tokens, embed_step(t, tokens)))
                step_projected = bound.fuse.project_word(step_embedded)
            result = self._advance(bound, step_embedded, step_projected, state, memory)
            state = result.state
            outputs.append(result.output)
        return torch.stack(outputs, 1)

    def _advance(
        self, bound: DecoderPass, embedded: Tensor, projected: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderStep[DecoderState]:
        """One step. embedded: (N, D), the input tokens; projected: (N, D), the same after ``project_word``."""
        contexts, weights = self._attend_before(bound, state, memory)
        layers, top = self._run_layers(bound, bound.fuse(projected, (*contexts, *state.fed)), state.layers)
        if not contexts:
            contexts, weights = self._attend_after(bound, top, memory)
        output = bound.drop_output(bound.read_out(top, contexts, embedded))
        return DecoderStep(output, DecoderState(layers, (output,) if self.feeds else ()), weights)

    def _attend_before(self, bound: DecoderPass, state: DecoderState, memory: Memory) -> Attended:
        return (), None

    def _attend_after(self, bound: DecoderPass, top: Tensor, memory: Memory) -> Attended:
        """The contexts and the weights for the top layer's outputs (N, H)."""
        return (), None

    def _run_layers(
        self, bound: DecoderPass, inputs: Tensor, states: tuple[LayerState, ...]
    ) -> tuple[tuple[LayerState, ...], Tensor]:
        """One step of all layers: their new states and the output of the top layer (N, H)."""
        new_states: list[LayerState] = []
        for cell, drop, residual_norm, state in zip(bound.cells, bound.drop_between, self.joints, states, strict=True):
            inputs = drop(inputs)
            new_states.append(cell.step(inputs, state))
            inputs = residual_norm(new_states[-1][0], inputs)
        return tuple(new_states), inputs

    def _run_sequence(self, bound: DecoderPass, sequence: Tensor, memory: Memory) -> Tensor:
        """All steps of all layers: (B, T, D) to the outputs of the top layer (B, T, H)."""
        parts = zip(self._layers(), bound.recurrent_weights, bound.drop_between, self.joints, memory.start, strict=True)
        for layer, weight, drop, residual_norm, hidden in parts:
            sequence = drop(sequence)
            sequence = residual_norm(layer.run(sequence, layer.start(hidden), weight), sequence)
        return sequence

    def _bind(self, make: MakeProduct) -> DecoderPass:
        rates, layers = self.dropout.scaled(self.training), self._layers()
        drop_between = [make_dropout(rates.decoder, rates.variational) for _ in layers[1:]]
        recurrent_weights = tuple(layer.recurrent_weight(rates.weights) for layer in layers)
        return DecoderPass(
            drop_words=make_word_dropout(rates.words, self.embedding.weight),
            drop_target=make_dropout(rates.target, rates.variational),
            fuse=self.mix.bind(make),
            drop_between=(keep, *drop_between),
            cells=tuple(layer.bind(make, weight) for layer, weight in zip(layers, recurrent_weights, strict=True)),
            recurrent_weights=recurrent_weights,
            attend=None if self.attention is None else self.attention.bind(make),
            read_out=self.readout.bind(make),
            drop_output=make_dropout(rates.output, rates.variational),
        )

    def _layers(self) -> list[RecurrentLayer]:
        return list(self.layers)  # type: ignore[arg-type]


class BahdanauDecoder(RecurrentDecoder):
    """Attention before the layers (Bahdanau et al. 2015): the query is the previous step's top state.

    The input of the first layer is ``W [word; context]``, with input feeding ``W [word; context; last output]``. With
    a readout, the output is ``tanh(W [state; context; word])``.
    """

    reads_context = True

    def _is_sequential(self) -> bool:
        return True

    def _attend_before(self, bound: DecoderPass, state: DecoderState, memory: Memory) -> Attended:
        return _attend(bound, state.layers[-1][0], memory)


class LuongDecoder(RecurrentDecoder):
    """Attention after the layers (Luong et al. 2015): the query is the current step's top state.

    The output is the attentional vector ``tanh(W [state; context])``, or ``tanh(W [state; context; word])`` with a
    readout. With input feeding, it is also an input of the next step. Without input feeding, a teacher-forced batch
    needs one call of each layer and of the attention, not one per step.
    """

    def _attend_after(self, bound: DecoderPass, top: Tensor, memory: Memory) -> Attended:
        return _attend(bound, top, memory)


def make_decoder(options: RecurrentOptions, vocab_size: int, memory_size: int) -> RecurrentDecoder:
    """The decoder for the options' attention and attention place; for the arguments see ``RecurrentDecoder``."""
    decoders = {"before": BahdanauDecoder, "after": LuongDecoder}
    kind = RecurrentDecoder if options.attention == "none" else decoders[options.attention_place]
    return kind(options, vocab_size, memory_size)


def _attend(bound: DecoderPass, query: Tensor, memory: Memory) -> Attended:
    assert bound.attend is not None
    assert memory.keys is not None
    assert memory.outputs is not None
    context, weights = bound.attend(query, memory.keys, memory.outputs, memory.mask)
    return (context,), weights
