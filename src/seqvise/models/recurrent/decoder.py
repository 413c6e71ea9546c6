"""The recurrent decoder: one step, or all steps of a training batch under any mix of forced and own words."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.interface import BOS, PAD, PickWords
from seqvise.models.kernels.dropout import Drop, WordDrop, dropping, dropping_words, keep
from seqvise.models.kernels.step_linear import MakeProduct, plain_product, products_for
from seqvise.models.recurrent.attention import Attend, Attention, make_attention
from seqvise.models.recurrent.decoder_inputs import Identity, InputFusion, Output, StepMix, make_readout
from seqvise.models.recurrent.layers import (
    LAYERS,
    Cell,
    DecoderState,
    GruLayer,
    LayerState,
    LstmLayer,
    Memory,
    Stepped,
    joints,
)
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.recurrent.scheduled_sampling import ScheduledSampling, StepEmbedding


class DecoderPass(NamedTuple):
    """The decoder with the weights and the dropout of one pass over a batch.

    Attributes:
        drop_words, drop_target: of the embedded words.
        mix: what the first layer reads.
        between: dropout before each layer.
        cells: the layers.
        recurrent: their recurrent weights.
        attend: the attention, or None.
        read: what the projection gets.
        drop_output: of that.
    """

    drop_words: WordDrop
    drop_target: Drop
    mix: StepMix
    between: tuple[Drop, ...]
    cells: tuple[Cell, ...]
    recurrent: tuple[Tensor, ...]
    attend: Attend | None
    read: Output
    drop_output: Drop


class RecurrentDecoder(nn.Module):
    """A stack of recurrent layers without attention.

    The first layer reads the word vector, or ``W [word; last output]`` with input feeding. The output is the top
    layer's, or with a readout ``tanh(W [state; word])``.

    Args:
        options: the choices.
        words: vocabulary size.
        memory_size: width of the encoder's outputs.
    """

    reads_context: ClassVar[bool] = False
    """Whether the first layer reads the context."""

    def __init__(self, options: RecurrentOptions, words: int, memory_size: int) -> None:
        super().__init__()
        width, hidden = options.embedding, options.decoder_hidden
        widths = [(width, hidden)] + [(hidden, hidden)] * (options.decoder_layers - 1)
        self.embedding = nn.Embedding(words, width, padding_idx=PAD)
        self.layers = nn.ModuleList(LAYERS[options.cell](before, after) for before, after in widths)
        self.attention: Attention | None = make_attention(options, memory_size)
        mixed = memory_size * self.reads_context + options.output_size() * options.input_feeding
        self.mix = InputFusion(width, mixed) if mixed else Identity()
        self.readout = make_readout(options, memory_size)
        self.joints = joints(widths, options.residual, options.layer_norm)
        self.output_size = self.readout.output_size
        self.feeds = options.input_feeding
        self.dropout = options.dropout

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first step."""
        layers = tuple(layer.start(hidden) for layer, hidden in zip(self._layers(), memory.start, strict=True))
        begin = memory.start[-1]
        return DecoderState(layers, (begin.new_zeros(begin.shape[0], self.output_size),) if self.feeds else ())

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> Stepped:
        """One step. tokens: (N,) int64, the words said last."""
        one = self._bind(plain_product)
        embedded = one.drop_target(one.drop_words(tokens, self.embedding(tokens)))
        return self._advance(one, embedded, one.mix.word(embedded), state, memory)

    def unroll(self, target: Tensor, forced: Tensor | None, memory: Memory, pick: PickWords) -> Tensor:
        """The outputs of all steps of a batch, before the projection.

        Args:
            target: (B, T) int64, the references.
            forced: (B, T) bool on the CPU: where true, the step reads the reference's word before it, elsewhere the
                model's own. The first column is not looked at: every sentence begins with ``BOS``. None: all forced.
            memory: from the encoder.
            pick: outputs (N, D) to own words (N,) int64; called after the steps whose word is needed.

        Returns:
            (B, T, D).
        """
        words = F.pad(target[:, :-1], (1, 0), value=BOS)
        if forced is None and not self._one_by_one():
            return self._unroll_at_once(words, memory)
        return self._unroll_steps(words, ScheduledSampling(words, forced, pick), memory)

    def _one_by_one(self) -> bool:
        """Whether a step needs the one before it, other than for the layers' own states."""
        return self.feeds

    def _unroll_at_once(self, words: Tensor, memory: Memory) -> Tensor:
        whole = self._bind(plain_product)
        embedded = whole.drop_target(whole.drop_words(words, self.embedding(words)))
        top = self._run(whole, embedded, memory)
        return whole.drop_output(whole.read(top, self._contexts(whole, top, memory), embedded))

    def _contexts(self, whole: DecoderPass, top: Tensor, memory: Memory) -> tuple[Tensor, ...]:
        """What all steps (B, T, H) of the top layer see at once: one (B, T, M), or none without attention."""
        return ()

    def _unroll_steps(self, words: Tensor, own: ScheduledSampling, memory: Memory) -> Tensor:
        rows, steps = words.shape
        loop = self._bind(products_for(steps, rows, words.device))
        embedded = loop.drop_target(loop.drop_words(words, self.embedding(words)))
        shares = self.mix.words(embedded)
        said = StepEmbedding(self.embedding.weight, steps, rows)
        state = self.start(memory)
        outputs: list[Tensor] = []
        for t in range(steps):
            now, share = embedded[:, t], shares[:, t]
            if own.said_at(t):
                tokens = own(t, outputs[-1])
                now = loop.drop_target(loop.drop_words(tokens, said(t, tokens)))
                share = loop.mix.word(now)
            stepped = self._advance(loop, now, share, state, memory)
            state = stepped.state
            outputs.append(stepped.output)
        return torch.stack(outputs, 1)

    def _advance(
        self, one: DecoderPass, embedded: Tensor, share: Tensor, state: DecoderState, memory: Memory
    ) -> Stepped:
        """One step. embedded: (N, D), the word read; share: (N, D), its share of what the first layer reads."""
        layers, top = self._climb(one, one.mix(share, state.fed), state.layers)
        return self._stepped(one, one.read(top, (), embedded), layers, None)

    def _climb(
        self, one: DecoderPass, inputs: Tensor, before: tuple[LayerState, ...]
    ) -> tuple[tuple[LayerState, ...], Tensor]:
        """One step of all layers: their states and the top one's output (N, H)."""
        after: list[LayerState] = []
        for cell, drop, joint, state in zip(one.cells, one.between, self.joints, before, strict=True):
            inputs = drop(inputs)
            after.append(cell.step(inputs, state))
            inputs = joint(after[-1][0], inputs)
        return tuple(after), inputs

    def _run(self, whole: DecoderPass, sequence: Tensor, memory: Memory) -> Tensor:
        """All steps of all layers: (B, T, D) to the top one's outputs (B, T, H)."""
        parts = zip(self._layers(), whole.recurrent, whole.between, self.joints, memory.start, strict=True)
        for layer, weight, drop, joint, hidden in parts:
            sequence = drop(sequence)
            sequence = joint(layer.run(sequence, layer.start(hidden), weight), sequence)
        return sequence

    def _stepped(
        self, one: DecoderPass, output: Tensor, layers: tuple[LayerState, ...], attention: Tensor | None
    ) -> Stepped:
        output = one.drop_output(output)
        return Stepped(output, DecoderState(layers, (output,) if self.feeds else ()), attention)

    def _bind(self, make: MakeProduct) -> DecoderPass:
        rates, layers = self.dropout.scaled(self.training), self._layers()
        between = [dropping(rates.decoder, rates.variational) for _ in layers[1:]]
        recurrent = tuple(layer.recurrent(rates.weights) for layer in layers)
        return DecoderPass(
            drop_words=dropping_words(rates.words, self.embedding.weight),
            drop_target=dropping(rates.target, rates.variational),
            mix=self.mix.bind(make),
            between=(keep, *between),
            cells=tuple(layer.bind(make, weight) for layer, weight in zip(layers, recurrent, strict=True)),
            recurrent=recurrent,
            attend=None if self.attention is None else self.attention.bind(make),
            read=self.readout.bind(make),
            drop_output=dropping(rates.output, rates.variational),
        )

    def _layers(self) -> list[GruLayer | LstmLayer]:
        return list(self.layers)  # type: ignore[arg-type]


class BahdanauDecoder(RecurrentDecoder):
    """Attention before the layers (Bahdanau et al. 2015): the step before's top state asks.

    The first layer reads ``W [word; context]``, with input feeding the last output too. With a readout, the output is
    ``tanh(W [state; context; word])``.
    """

    reads_context = True

    def _one_by_one(self) -> bool:
        return True

    def _advance(
        self, one: DecoderPass, embedded: Tensor, share: Tensor, state: DecoderState, memory: Memory
    ) -> Stepped:
        context, weights = _attend(one, state.layers[-1][0], memory)
        layers, top = self._climb(one, one.mix(share, (context, *state.fed)), state.layers)
        return self._stepped(one, one.read(top, (context,), embedded), layers, weights)


class LuongDecoder(RecurrentDecoder):
    """Attention after the layers (Luong et al. 2015): the step's own top state asks.

    The output is the attentional vector ``tanh(W [state; context])``, with a readout the word beside them. With input
    feeding, the first layer reads it at the next step; without, the layers run over a forced sentence in one call, and
    all its steps ask at once.
    """

    def _contexts(self, whole: DecoderPass, top: Tensor, memory: Memory) -> tuple[Tensor, ...]:
        context, _ = _attend(whole, top.flatten(0, 1), memory)
        return (context.view(*top.shape[:2], -1),)

    def _advance(
        self, one: DecoderPass, embedded: Tensor, share: Tensor, state: DecoderState, memory: Memory
    ) -> Stepped:
        layers, top = self._climb(one, one.mix(share, state.fed), state.layers)
        context, weights = _attend(one, top, memory)
        return self._stepped(one, one.read(top, (context,), embedded), layers, weights)


def make_decoder(options: RecurrentOptions, words: int, memory_size: int) -> RecurrentDecoder:
    """The decoder whose attention stands where the options say; arguments as of ``RecurrentDecoder``."""
    places = {"before": BahdanauDecoder, "after": LuongDecoder}
    kind = RecurrentDecoder if options.attention == "none" else places[options.attention_place]
    return kind(options, words, memory_size)


def _attend(one: DecoderPass, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    assert one.attend is not None
    assert memory.keys is not None
    assert memory.outputs is not None
    return one.attend(query, memory.keys, memory.outputs, memory.mask)
