"""One recurrent layer, run over a whole sequence or step by step from the same weights.

On a CPU the sequence runs through ``scan``; elsewhere through the library's own fused kernel. Both give the same
values, and neither masks: padding stands at the end, so it never reaches a real step.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.scan import gru_scan, gru_step, lstm_scan, lstm_step

LayerState = tuple[Tensor, ...]
"""(h,) of a GRU, (h, c) of an LSTM, each (N, H)."""


class RecurrentLayer(Protocol):
    """What encoder and decoder ask of a layer."""

    hidden_size: int

    def start(self, hidden: Tensor) -> LayerState:
        """The state that begins with ``hidden``: (N, H)."""
        ...

    def gates(self, inputs: Tensor) -> Tensor:
        """The input's share of all gates: (..., I) to (..., G), one product for as many steps as are given."""
        ...

    def step(self, gates: Tensor, state: LayerState) -> LayerState:
        """The next state. gates: (N, G)."""
        ...

    def run(self, inputs: Tensor, state: LayerState) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H)."""
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

    def gates(self, inputs: Tensor) -> Tensor:
        """The input's share of the gates r, z, n: (..., I) to (..., 3H)."""
        return F.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)

    def step(self, gates: Tensor, state: LayerState) -> LayerState:
        """The next state. gates: (N, 3H)."""
        return (gru_step(gates, state[0], self.weight_hh_l0, self.bias_hh_l0),)

    def run(self, inputs: Tensor, state: LayerState) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H)."""
        if inputs.device.type != "cpu":
            return self.forward(inputs, state[0].unsqueeze(0))[0]
        gates = self.gates(inputs.transpose(0, 1))
        return gru_scan(gates, state[0], self.weight_hh_l0, self.bias_hh_l0).transpose(0, 1)


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

    def gates(self, inputs: Tensor) -> Tensor:
        """The input's share of the gates i, f, g, o: (..., I) to (..., 4H)."""
        return F.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)

    def step(self, gates: Tensor, state: LayerState) -> LayerState:
        """The next state. gates: (N, 4H)."""
        return lstm_step(gates, state[0], state[1], self.weight_hh_l0, self.bias_hh_l0)

    def run(self, inputs: Tensor, state: LayerState) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H)."""
        if inputs.device.type != "cpu":
            return self.forward(inputs, (state[0].unsqueeze(0), state[1].unsqueeze(0)))[0]
        gates = self.gates(inputs.transpose(0, 1))
        return lstm_scan(gates, state[0], state[1], self.weight_hh_l0, self.bias_hh_l0).transpose(0, 1)


LAYERS: dict[str, type[GruLayer] | type[LstmLayer]] = {"gru": GruLayer, "lstm": LstmLayer}


def reverse(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The real steps of each row in reverse order, padding left in its place. sequence: (B, S, ...), lengths: (B,)."""
    steps = torch.arange(sequence.shape[1], device=sequence.device).unsqueeze(0)
    last = lengths.unsqueeze(1) - 1
    index = torch.where(steps <= last, last - steps, steps)
    return sequence[torch.arange(sequence.shape[0], device=sequence.device).unsqueeze(1), index]


def last_real(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The value at each row's last real step: (B, S, H) to (B, H)."""
    return sequence[torch.arange(sequence.shape[0], device=sequence.device), lengths - 1]
