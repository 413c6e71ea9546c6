"""The AWD-LSTM language model (Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models").

Tensors inside the layers are time-first, (T, B, ...), as torch's kernels expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from seqvise.models.recurrent.layers import LayerState, pack_state
from seqvise.models.softmax.adaptive import AdaptiveGenerator
from seqvise.models.softmax.generator import Generator


class StagedModel(nn.Module):
    """A model whose parameters are trained in groups."""

    options: EncoderOptions

    def groups(self) -> list[list[Parameter]]:
        """The parameters in groups, those nearest to the input first."""
        raise NotImplementedError

    def rate_groups(self) -> list[tuple[list[Parameter], float]]:
        """The groups with their learning-rate factors."""
        groups, rates = self.groups(), self.options.group_rates
        return list(zip(groups, [1.0] * len(groups) if rates is None else rates, strict=True))

    def unfreeze(self, epoch: int) -> None:
        """Unfreezes the groups whose first epoch of training is reached, and freezes the others.

        ``options.unfreeze`` has the epochs of the last group, the one before it, and so on; the last number applies to
        all remaining groups. None trains all groups.
        """
        epochs = self.options.unfreeze
        if epochs is None:
            return
        for index, group in enumerate(reversed(self.groups())):
            for weight in group:
                weight.requires_grad_(epoch >= epochs[min(index, len(epochs) - 1)])


StreamState = tuple[LayerState, ...]
"""The state of each layer, between two windows of a stream."""


class StreamOutput(NamedTuple):
    """Result of the encoder for one window of a stream."""

    outputs: Tensor  # (B, T, D), of the last layer, with dropout
    raw: Tensor  # (B, T, D), of the last layer, before dropout
    state: StreamState  # after the last token


class AwdEncoder(nn.Module):
    """Word vectors and recurrent layers; the last layer is as wide as the word vectors.

    Args:
        options: the sizes.
        dropout: the dropout probabilities; ``scale`` may change between two steps.
        vocab_size: V.
    """

    def __init__(self, options: EncoderOptions, dropout: StreamDropoutOptions, vocab_size: int) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(vocab_size, options.embedding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        widths = [options.embedding, *[options.hidden] * (options.layers - 1), options.embedding]
        make = nn.LSTM if options.cell == "lstm" else nn.GRU
        self.layers = nn.ModuleList(make(*pair) for pair in pairwise(widths))

    def forward(self, tokens: Tensor, state: StreamState | None = None) -> StreamOutput:
        """Continues from a state. tokens: (B, T) int64. state: None at the start of a stream."""
        rates = self.dropout.scaled(self.training)
        ids = tokens.t()
        values = make_word_dropout(rates.words, self.embedding.weight)(ids, self.embedding(ids))
        values = locked_dropout(values, rates.input)
        raw, states = values, []
        for index, layer in enumerate(self.layers):
            layer_state = None if state is None else state[index]
            raw, new_state = run_layer(cast(nn.RNNBase, layer), values, layer_state, rates.weights)
            states.append(new_state)
            values = locked_dropout(raw, rates.hidden if index < len(self.layers) - 1 else rates.output)
        return StreamOutput(values.transpose(0, 1), raw.transpose(0, 1), tuple(states))


class AwdLstm(StagedModel):
    """The encoder and the projection to the vocabulary.

    Args:
        options: the `model` node.
        vocab_size: V.
    """

    def __init__(self, options: LanguageModelOptions, vocab_size: int) -> None:
        super().__init__()
        self.options: LanguageModelOptions = options
        self.encoder = AwdEncoder(options, options.dropout, vocab_size)
        tied = self.encoder.embedding.weight if options.tie_output else None
        self.generator = (
            AdaptiveGenerator(vocab_size, options.embedding, options.adaptive, tied)
            if options.adaptive
            else Generator(vocab_size, options.embedding, tied)
        )

    def forward(self, tokens: Tensor, state: StreamState | None = None) -> StreamOutput:
        """Continues from a state; the outputs are those before the projection. See ``AwdEncoder.forward``."""
        output: StreamOutput = self.encoder(tokens, state)
        return output

    def groups(self) -> list[list[nn.Parameter]]:
        """One group per layer, then word vectors and projection, which are trained first since words may be new."""
        words = {id(weight): weight for weight in (*self.encoder.embedding.parameters(), *self.generator.parameters())}
        return [*(list(layer.parameters()) for layer in self.encoder.layers), list(words.values())]


def locked_dropout(values: Tensor, rate: float) -> Tensor:
    """Dropout with one mask for all steps (Gal and Ghahramani 2016). values: (T, B, D)."""
    return values * dropout(values.new_ones(values.shape[1:]), rate) if rate else values


def run_layer(layer: nn.RNNBase, values: Tensor, state: LayerState | None, rate: float) -> tuple[Tensor, LayerState]:
    """Runs torch's kernel over a window, with dropout of the recurrent weight (weight drop).

    One mask is used for all steps. The parameter itself is unchanged and gets the gradient.

    Args:
        layer: of ``torch.nn``, with one layer, time-first.
        values: (T, B, I).
        state: (B, H) each; None is zeros.
        rate: dropout probability of the recurrent weight.
    """
    with supported_autocast(layer, values) as cast_input:
        initial = None if state is None else pack_state(tuple(cast_input(part) for part in state))
        if rate:
            weight = dropout(cast(Tensor, layer.weight_hh_l0), rate)
            outputs, final = functional_call(layer, {"weight_hh_l0": weight}, (cast_input(values), initial))
        else:
            outputs, final = layer(cast_input(values), initial)
    parts = final if isinstance(final, tuple) else (final,)
    return outputs, tuple(part.squeeze(0) for part in parts)


@contextmanager
def supported_autocast(layer: nn.RNNBase, values: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Disables autocast for an LSTM if the device has no kernel for its dtype; yields the cast for the inputs."""
    device = values.device.type
    autocasts = isinstance(layer, nn.LSTM) and torch.is_autocast_enabled(device)
    if not autocasts or can_autocast_lstm(device, torch.get_autocast_dtype(device)):
        yield lambda part: part
        return
    with torch.autocast(device, enabled=False):
        yield Tensor.float


def detach_state(state: StreamState) -> StreamState:
    """The state without its computation graph (truncated backpropagation)."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)


def activation_penalty(
    output: StreamOutput, activation: float, temporal: float, real: Tensor | None = None, shares: Tensor | None = None
) -> Tensor:
    """Activation and temporal activation regularisation (Merity et al. 2017, arXiv:1708.01009), a scalar.

    The sum of ``activation`` times the mean square of ``outputs`` and ``temporal`` times the mean square of the changes
    of ``raw`` between neighbouring steps.

    Args:
        output: of one window.
        activation, temporal: the coefficients.
        real: (B, T) bool, false at padding; None without padding.
        shares: (2,), factors on the two means, over steps and over changes; None is 1.
    """
    penalty = output.outputs.new_zeros(())
    step_share, change_share = (1.0, 1.0) if shares is None else shares
    if activation:
        penalty = penalty + activation * _mean_square(output.outputs, real) * step_share
    if temporal and output.raw.shape[1] > 1:
        changes = output.raw[:, 1:] - output.raw[:, :-1]
        penalty = penalty + temporal * _mean_square(changes, None if real is None else real[:, 1:]) * change_share
    return penalty


def _mean_square(values: Tensor, real: Tensor | None) -> Tensor:
    squares = values.float().square().mean(2)
    return squares.mean() if real is None else (squares * real).sum() / real.sum().clamp(min=1)


@torch.no_grad()
def map_words(weight: Tensor, old_ids: Tensor) -> Tensor:
    """Maps the rows of a weight to another vocabulary: (W, ...) to (V, ...). A new word gets the mean of all rows.

    Args:
        weight: (W, D) or (W,).
        old_ids: (V,) int64, the previous id of each word; -1 for a new word.
    """
    rows = torch.cat([weight, weight.mean(0, keepdim=True)])
    return rows[torch.where(old_ids < 0, len(weight), old_ids)]
