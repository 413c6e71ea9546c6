"""One recurrent layer, run over a whole sequence or step by step from the same weights.

On a CPU the sequence runs through ``scan`` where there are gradients, else step by step, so that products may be of
fewer bits; elsewhere through the library's own fused kernel. All give the same values, and none masks: padding stands
at the end, so it never reaches a real step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.cells import gru_step, lstm_step
from seqvise.models.kernels.dropout import dropout
from seqvise.models.kernels.scan import gru_scan, lstm_scan
from seqvise.models.kernels.step_linear import MakeProduct, Product, plain_product


class ResidualNorm(nn.Module):
    """``norm(output + input)``: a layer's output with a residual connection, normalised, or with either alone.

    Args:
        size: width of the output.
        residual: add the layer's input.
        norm: layer normalisation (Ba et al. 2016).
    """

    def __init__(self, size: int, residual: bool, norm: bool) -> None:
        super().__init__()
        self.combine = torch.add if residual else _output
        self.norm = nn.LayerNorm(size) if norm else None

    def forward(self, output: Tensor, given: Tensor) -> Tensor:
        """output, given: (..., H), what the layer gave and what it was given."""
        joined: Tensor = self.combine(output, given)
        return joined if self.norm is None else self.norm(joined)


def joints(widths: list[tuple[int, int]], residual: bool, norm: bool) -> nn.ModuleList:
    """A joint behind each layer.

    A residual connection spans each layer from the second on whose input is as wide as its output: the first one reads
    word vectors, which live in another space.

    Args:
        widths: of each layer's input and output.
        residual, norm: as in ``ResidualNorm``.
    """
    return nn.ModuleList(
        ResidualNorm(after, residual and index > 0 and before == after, norm)
        for index, (before, after) in enumerate(widths)
    )


def _output(output: Tensor, _: Tensor) -> Tensor:
    return output


LayerState = tuple[Tensor, ...]
"""(h,) of a GRU, (h, c) of an LSTM, each (N, H)."""


class Cell(Protocol):
    """A layer with the weights of one pass over a batch."""

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        """The next state. inputs: (N, I)."""
        ...


class RecurrentLayer(Protocol):
    """What encoder and decoder ask of a layer."""

    hidden_size: int

    def start(self, hidden: Tensor) -> LayerState:
        """The state that begins with ``hidden``: (N, H)."""
        ...

    def recurrent(self, rate: float) -> Tensor:
        """The recurrent weight (G, H) for one pass, numbers of it dropped with a chance of ``rate``.

        Merity et al. 2018, section 2. The parameter itself stays whole, and gets the gradient.
        """
        ...

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell with the weights of one pass. weight: from ``recurrent``."""
        ...

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H). weight: from ``recurrent``; None is the whole one."""
        ...


class GruLayer(nn.GRU):
    """A gated recurrent unit (Cho et al. 2014, in the form of cuDNN: the reset gate acts after the product)."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def start(self, hidden: Tensor) -> LayerState:
        """The state that begins with ``hidden``: (N, H)."""
        return (hidden,)

    def recurrent(self, rate: float) -> Tensor:
        """The recurrent weight (3H, H) for one pass; see ``RecurrentLayer``."""
        return dropout(self.weight_hh_l0, rate) if rate else self.weight_hh_l0

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell with the weights of one pass. weight: from ``recurrent``."""
        return _GruCell(make(self.weight_ih_l0, self.bias_ih_l0), make(weight, self.bias_hh_l0))

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H). weight: from ``recurrent``; None is the whole one."""
        weight = self.weight_hh_l0 if weight is None else weight
        if inputs.device.type != "cpu":
            return run_fused(self, inputs, state[0].unsqueeze(0), weight)
        gates = F.linear(inputs.transpose(0, 1).contiguous(), self.weight_ih_l0, self.bias_ih_l0)
        if needs_no_scan(inputs.device):
            return run_steps(partial(_follow_gru, plain_product(weight, self.bias_hh_l0)), gates, state)
        return gru_scan(gates, state[0], weight, self.bias_hh_l0).transpose(0, 1)


class LstmLayer(nn.LSTM):
    """A long short-term memory (Hochreiter and Schmidhuber 1997, with forget gate)."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def start(self, hidden: Tensor) -> LayerState:
        """The state whose output and cell both begin with ``hidden``: (N, H)."""
        return (hidden, hidden)

    def recurrent(self, rate: float) -> Tensor:
        """The recurrent weight (4H, H) for one pass; see ``RecurrentLayer``."""
        return dropout(self.weight_hh_l0, rate) if rate else self.weight_hh_l0

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell with the weights of one pass. weight: from ``recurrent``."""
        return _LstmCell(make(self.weight_ih_l0, self.bias_ih_l0), make(weight, self.bias_hh_l0))

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H). weight: from ``recurrent``; None is the whole one."""
        weight = self.weight_hh_l0 if weight is None else weight
        if inputs.device.type != "cpu":
            return run_fused(self, inputs, (state[0].unsqueeze(0), state[1].unsqueeze(0)), weight)
        gates = F.linear(inputs.transpose(0, 1).contiguous(), self.weight_ih_l0, self.bias_ih_l0)
        if needs_no_scan(inputs.device):
            return run_steps(partial(_follow_lstm, plain_product(weight, self.bias_hh_l0)), gates, state)
        return lstm_scan(gates, state[0], state[1], weight, self.bias_hh_l0).transpose(0, 1)


class _GruCell(NamedTuple):
    enter: Product
    recur: Product

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        return _follow_gru(self.recur, self.enter(inputs), state)


class _LstmCell(NamedTuple):
    enter: Product
    recur: Product

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        return _follow_lstm(self.recur, self.enter(inputs), state)


def _follow_gru(recur: Product, gates: Tensor, state: LayerState) -> LayerState:
    return (gru_step(gates, recur(state[0]), state[0]),)


def _follow_lstm(recur: Product, gates: Tensor, state: LayerState) -> LayerState:
    return lstm_step(gates + recur(state[0]), state[1])


LAYERS: dict[str, type[GruLayer] | type[LstmLayer]] = {"gru": GruLayer, "lstm": LstmLayer}


def needs_no_scan(device: torch.device) -> bool:
    """Whether steps do: without gradients, and in one number format."""
    return not torch.is_grad_enabled() and not torch.is_autocast_enabled(device.type)


def run_steps(follow: Callable[[Tensor, LayerState], LayerState], gates: Tensor, state: LayerState) -> Tensor:
    """The outputs of all steps, one after another: (S, N, G) to (N, S, H).

    Args:
        follow: the next state, given a step's share of the inputs (N, G) and the state.
        gates: the inputs' product.
        state: before the first step.
    """
    outputs = []
    for share in gates.unbind(0):
        state = follow(share, state)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def run_fused(layer: nn.Module, inputs: Tensor, state: Tensor | tuple[Tensor, Tensor], weight: Tensor) -> Tensor:
    """The library's kernel over a whole sequence: (N, S, I) to (N, S, H).

    Args:
        layer: a ``GruLayer`` or ``LstmLayer``.
        inputs: (N, S, I).
        state: h or (h, c), each (1, N, H).
        weight: the recurrent weight, the layer's own or a dropped one.
    """
    if weight is layer.weight_hh_l0:
        outputs: Tensor = layer(inputs, state)[0]
        return outputs
    dropped: Tensor = torch.func.functional_call(layer, {"weight_hh_l0": weight}, (inputs, state))[0]
    return dropped


def reverse(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The real steps of each row in reverse order, padding left in its place. sequence: (B, S, ...), lengths: (B,)."""
    steps = torch.arange(sequence.shape[1], device=sequence.device).unsqueeze(0)
    last = lengths.unsqueeze(1) - 1
    index = torch.where(steps <= last, last - steps, steps)
    first = torch.arange(0, index.numel(), index.shape[1], device=sequence.device).unsqueeze(1)
    return sequence.flatten(0, 1).index_select(0, (first + index).flatten()).view_as(sequence)


def last_real(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The value at each row's last real step: (B, S, H) to (B, H)."""
    return sequence[torch.arange(sequence.shape[0], device=sequence.device), lengths - 1]


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
        # Three to nine times as fast on a CPU as part[rows].
        return Memory(
            tuple(part.index_select(0, rows) for part in self.start),
            None if self.outputs is None else self.outputs.index_select(0, rows),
            None if self.keys is None else self.keys.index_select(0, rows),
            self.mask.index_select(0, rows),
        )


class DecoderState(NamedTuple):
    """What a step hands to the next.

    Attributes:
        layers: the state of each layer, the lowest first.
        fed: (N, D), the last output, alone in a tuple that is empty without input feeding.
    """

    layers: tuple[LayerState, ...]
    fed: tuple[Tensor, ...]

    def rows(self, rows: Tensor) -> DecoderState:
        """The state of the chosen rows. rows: (M,) int64, repeats allowed."""
        layers = tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers)
        return DecoderState(layers, tuple(part.index_select(0, rows) for part in self.fed))


class Stepped(NamedTuple):
    """One step's output (N, D) before the projection, the state after it, and the attention (N, S) or None."""

    output: Tensor
    state: DecoderState
    attention: Tensor | None
