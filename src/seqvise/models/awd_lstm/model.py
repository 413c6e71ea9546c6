"""The AWD-LSTM language model (Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models").

Time comes first inside this file, (T, B, ...), as the library's kernels take it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import Parameter

from seqvise.machine import can_autocast_lstm
from seqvise.models.awd_lstm.options import EncoderOptions, LanguageModelOptions, StreamDropoutOptions
from seqvise.models.kernels.dropout import dropout, make_word_dropout
from seqvise.models.softmax.adaptive import AdaptiveGenerator
from seqvise.models.softmax.generator import Generator

Groups = Sequence[Sequence[Parameter]]
"""Of a model's parameters, those nearest to its input first."""


def thaw(groups: Groups, epochs: Sequence[int] | None, epoch: int) -> None:
    """Trains those groups whose epoch has come, and no others.

    Args:
        groups: the groups.
        epochs: from which the last group is trained, the one before it, and so on; the last number is that of all that
            are left. None trains all.
        epoch: of training.
    """
    if epochs is None:
        return
    for place, group in enumerate(reversed(groups)):
        for weight in group:
            weight.requires_grad_(epoch >= epochs[min(place, len(epochs) - 1)])


def with_rates(groups: Groups, rates: Sequence[float] | None) -> list[tuple[list[Parameter], float]]:
    """The groups with the factors on their rates. rates: None is 1 for all."""
    factors = [1.0] * len(groups) if rates is None else rates
    return [(list(group), factor) for group, factor in zip(groups, factors, strict=True)]


LayerState = tuple[Tensor, ...]
"""(h,) of a GRU, (h, c) of an LSTM, each (B, H)."""

StreamState = tuple[LayerState, ...]
"""The state of each layer, between two stretches of a stream."""


class Read(NamedTuple):
    """What reading a stretch of a stream gives.

    Attributes:
        outputs: (B, T, D), of the last layer, with dropout.
        raw: (B, T, D), the same without dropout.
        state: after the last word.
    """

    outputs: Tensor
    raw: Tensor
    state: StreamState


class AwdEncoder(nn.Module):
    """Word vectors and recurrent layers, the last as wide as the word vectors.

    Args:
        options: their sizes.
        dropout: probabilities; ``scale`` may be changed between two steps.
        words: of the vocabulary.
    """

    def __init__(self, options: EncoderOptions, dropout: StreamDropoutOptions, words: int) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(words, options.embedding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        widths = [options.embedding, *[options.hidden] * (options.layers - 1), options.embedding]
        make = nn.LSTM if options.cell == "lstm" else nn.GRU
        self.layers = nn.ModuleList(make(*pair) for pair in pairwise(widths))

    def forward(self, tokens: Tensor, state: StreamState | None = None) -> Read:
        """Reads on from a state. tokens: (B, T) int64. state: None at the start of a stream."""
        rates = self.dropout.scaled(self.training)
        ids = tokens.t()
        values = make_word_dropout(rates.words, self.embedding.weight)(ids, self.embedding(ids))
        values = locked(values, rates.input)
        raw, states = values, []
        for place, layer in enumerate(self.layers):
            raw, after = run_layer(
                cast(nn.RNNBase, layer), values, None if state is None else state[place], rates.weights
            )
            states.append(after)
            values = locked(raw, rates.hidden if place < len(self.layers) - 1 else rates.output)
        return Read(values.transpose(0, 1), raw.transpose(0, 1), tuple(states))


class AwdLstm(nn.Module):
    """The encoder and the projection to words.

    Args:
        options: the choices.
        words: of the vocabulary.
    """

    def __init__(self, options: LanguageModelOptions, words: int) -> None:
        super().__init__()
        self.options = options
        self.encoder = AwdEncoder(options, options.dropout, words)
        tied = self.encoder.embedding.weight if options.tie_output else None
        self.generator = (
            AdaptiveGenerator(words, options.embedding, options.adaptive, tied)
            if options.adaptive
            else Generator(words, options.embedding, tied)
        )

    def forward(self, tokens: Tensor, state: StreamState | None = None) -> Read:
        """Reads on from a state; the outputs are what the projection to words reads. See ``AwdEncoder.forward``."""
        read: Read = self.encoder(tokens, state)
        return read

    def groups(self) -> list[list[nn.Parameter]]:
        """The layers from the first to the last, then word vectors and projection, which new words need trained."""
        above = {id(weight): weight for weight in (*self.encoder.embedding.parameters(), *self.generator.parameters())}
        return [*(list(layer.parameters()) for layer in self.encoder.layers), list(above.values())]

    def rate_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """The groups with the factors on their rates."""
        return with_rates(self.groups(), self.options.group_rates)

    def unfreeze(self, epoch: int) -> None:
        """Trains those groups whose epoch has come."""
        thaw(self.groups(), self.options.unfreeze, epoch)


def locked(values: Tensor, rate: float) -> Tensor:
    """Dropout with one mask for all steps (Gal and Ghahramani 2016). values: (T, B, D)."""
    return values * dropout(values.new_ones(values.shape[1:]), rate) if rate else values


def run_layer(layer: nn.RNNBase, values: Tensor, state: LayerState | None, rate: float) -> tuple[Tensor, LayerState]:
    """The library's kernel over a stretch, its recurrent matrix dropped with a chance of ``rate``.

    One mask holds for all steps. The parameter itself stays whole, and gets the gradient.

    Args:
        layer: of ``torch.nn``, with one layer, time first.
        values: (T, B, I).
        state: of each (B, H); None is zeros.
        rate: of the weights' dropout.
    """
    with kernel_format(layer, values) as cast_to:
        begin = None if state is None else packed(tuple(cast_to(part).unsqueeze(0) for part in state))
        if rate:
            weight = dropout(cast(Tensor, layer.weight_hh_l0), rate)
            outputs, after = functional_call(layer, {"weight_hh_l0": weight}, (cast_to(values), begin))
        else:
            outputs, after = layer(cast_to(values), begin)
    parts = after if isinstance(after, tuple) else (after,)
    return outputs, tuple(part.squeeze(0) for part in parts)


@contextmanager
def kernel_format(layer: nn.RNNBase, values: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Turns autocast off where the processor has no kernel for an LSTM under it; yields the cast for its inputs."""
    device = values.device.type
    asked = isinstance(layer, nn.LSTM) and torch.is_autocast_enabled(device)
    if not asked or can_autocast_lstm(device, torch.get_autocast_dtype(device)):
        yield lambda part: part
        return
    with torch.autocast(device, enabled=False):
        yield Tensor.float


def packed(parts: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    """As the library takes a state: h alone, or (h, c)."""
    return parts[0] if len(parts) == 1 else parts


def detached(state: StreamState) -> StreamState:
    """The state without the way it was come to."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)


def activation_penalty(
    read: Read, activation: float, temporal: float, real: Tensor | None = None, shares: Tensor | None = None
) -> Tensor:
    """Activation and temporal activation regularisation (Merity et al. 2017, arXiv:1708.01009), a scalar.

    ``activation`` times the mean square of the outputs with dropout, and ``temporal`` times that of the changes of
    those without from step to step.

    Args:
        read: a stretch.
        activation, temporal: the weights.
        real: (B, T) bool, the steps that count; None is all.
        shares: (2,), factors on the two means, over steps and over changes; None is 1.
    """
    penalty = read.outputs.new_zeros(())
    of_steps, of_changes = (1.0, 1.0) if shares is None else shares
    if activation:
        penalty = penalty + activation * _mean_square(read.outputs, real) * of_steps
    if temporal and read.raw.shape[1] > 1:
        changes = read.raw[:, 1:] - read.raw[:, :-1]
        penalty = penalty + temporal * _mean_square(changes, None if real is None else real[:, 1:]) * of_changes
    return penalty


def _mean_square(values: Tensor, real: Tensor | None) -> Tensor:
    squares = values.float().square().mean(2)
    return squares.mean() if real is None else (squares * real).sum() / real.sum().clamp(min=1)


@torch.no_grad()
def map_words(weight: Tensor, places: Tensor) -> Tensor:
    """Rows of a weight for another vocabulary: (W, ...) to (V, ...). A new word gets the mean of all rows.

    Args:
        weight: (W, D) or (W,).
        places: (V,) int64, the old place of each word; -1 for a new one.
    """
    rows = torch.cat([weight, weight.mean(0, keepdim=True)])
    return rows[torch.where(places < 0, len(weight), places)]
