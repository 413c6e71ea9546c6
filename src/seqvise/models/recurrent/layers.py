"""Recurrent layers that run over a whole sequence or step by step with the same weights.

On a CPU, a sequence runs through ``scan`` if gradients are needed, else step by step, so that the products may be
quantized. Other devices use torch's fused kernel. All return the same values. None needs a mask: padding is at the end
and never affects the steps before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.kernels.cells import gru_step, lstm_step
from seqvise.models.kernels.dropout import dropout
from seqvise.models.kernels.scan import gru_scan, lstm_scan
from seqvise.models.kernels.step_linear import MakeProduct, Product, plain_product


class ResidualNorm(nn.Module):
    """``norm(output + input)``: residual connection and layer normalisation of a layer's output, each optional.

    Args:
        size: width of the output.
        residual: add the layer's input.
        norm: layer normalisation (Ba et al. 2016).
    """

    def __init__(self, size: int, residual: bool, norm: bool) -> None:
        super().__init__()
        self.combine = torch.add if residual else _output
        self.norm = nn.LayerNorm(size) if norm else None

    def forward(self, output: Tensor, inputs: Tensor) -> Tensor:
        """output, inputs: (..., H), output and input of the layer."""
        combined: Tensor = self.combine(output, inputs)
        return combined if self.norm is None else self.norm(combined)


def residual_norms(widths: list[tuple[int, int]], residual: bool, norm: bool) -> nn.ModuleList:
    """One ``ResidualNorm`` per layer.

    Only layers from the second on, with inputs and outputs of the same width, get a residual connection. The first
    layer's inputs are word vectors, not hidden states.

    Args:
        widths: width of each layer's input and output.
        residual, norm: as in ``ResidualNorm``.
    """
    return nn.ModuleList(
        ResidualNorm(output_size, residual and index > 0 and input_size == output_size, norm)
        for index, (input_size, output_size) in enumerate(widths)
    )


def _output(output: Tensor, _: Tensor) -> Tensor:
    return output


LayerState = tuple[Tensor, ...]
"""(h,) of a GRU, (h, c) of an LSTM, each (N, H)."""


Advance = Callable[[Product, Tensor, LayerState], LayerState]
"""The product with the recurrent weight, the input part of the gates (N, G) and the state to the next state."""


class Cell(NamedTuple):
    """A layer bound to the weights of one pass over a batch."""

    advance: Advance
    project_inputs: Product
    project_state: Product

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        """The next state. inputs: (N, I)."""
        return self.advance(self.project_state, self.project_inputs(inputs), state)


class RecurrentLayer(nn.Module):
    """The layers of encoder and decoder, beside torch's class of the same weights."""

    scan: ClassVar[Callable[..., Tensor]]
    hidden_size: int
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    @staticmethod
    def advance(project_state: Product, gates: Tensor, state: LayerState) -> LayerState:
        """See ``Advance``."""
        raise NotImplementedError

    def start(self, hidden: Tensor) -> LayerState:
        """The initial state from ``hidden``: (N, H), which is also the cell of an LSTM."""
        return (hidden,)

    def recurrent_weight(self, rate: float) -> Tensor:
        """The recurrent weight (G, H) for one pass, each number dropped with probability ``rate``.

        Merity et al. 2018, section 2. The parameter itself is unchanged and gets the gradient.
        """
        return dropout(self.weight_hh_l0, rate) if rate else self.weight_hh_l0

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell bound to the weights of one pass. weight: from ``recurrent_weight``."""
        return Cell(self.advance, make(self.weight_ih_l0, self.bias_ih_l0), make(weight, self.bias_hh_l0))

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H). weight: from ``recurrent_weight``; None: no dropout."""
        weight = self.weight_hh_l0 if weight is None else weight
        if inputs.device.type != "cpu":
            return run_fused(self, inputs, pack_state(state), weight)
        gates = F.linear(inputs.transpose(0, 1).contiguous(), self.weight_ih_l0, self.bias_ih_l0)
        if can_run_stepwise(inputs.device):
            return run_steps(partial(self.advance, plain_product(weight, self.bias_hh_l0)), gates, state)
        return self.scan(gates, *state, weight, self.bias_hh_l0).transpose(0, 1)


class GruLayer(RecurrentLayer, nn.GRU):
    """A gated recurrent unit (Cho et al. 2014; as in cuDNN, the reset gate is applied after the product)."""

    scan = staticmethod(gru_scan)

    @staticmethod
    def advance(project_state: Product, gates: Tensor, state: LayerState) -> LayerState:
        return (gru_step(gates, project_state(state[0]), state[0]),)


class LstmLayer(RecurrentLayer, nn.LSTM):
    """A long short-term memory (Hochreiter and Schmidhuber 1997, with forget gate)."""

    scan = staticmethod(lstm_scan)

    @staticmethod
    def advance(project_state: Product, gates: Tensor, state: LayerState) -> LayerState:
        return lstm_step(gates + project_state(state[0]), state[1])

    def start(self, hidden: Tensor) -> LayerState:
        return (hidden, hidden)


LAYERS: dict[str, type[GruLayer] | type[LstmLayer]] = {"gru": GruLayer, "lstm": LstmLayer}


def can_run_stepwise(device: torch.device) -> bool:
    """Whether a plain loop over the steps is enough: without gradients and without autocast."""
    return not torch.is_grad_enabled() and not torch.is_autocast_enabled(device.type)


def run_steps(advance: Callable[[Tensor, LayerState], LayerState], gates: Tensor, state: LayerState) -> Tensor:
    """The outputs of all steps, computed in a loop: (S, N, G) to (N, S, H).

    Args:
        advance: computes the next state from one step's gates (N, G) and the state.
        gates: input part of the gates, ``W_ih x + b_ih``.
        state: the initial state.
    """
    outputs = []
    for step_gates in gates.unbind(0):
        state = advance(step_gates, state)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def pack_state(state: LayerState) -> Tensor | tuple[Tensor, ...]:
    """A state in the format of torch's fused kernels: h, or (h, c), each (1, N, H)."""
    parts = tuple(part.unsqueeze(0) for part in state)
    return parts if len(parts) > 1 else parts[0]


def run_fused(layer: nn.Module, inputs: Tensor, state: Tensor | tuple[Tensor, ...], weight: Tensor) -> Tensor:
    """Torch's fused kernel over a whole sequence: (N, S, I) to (N, S, H).

    Args:
        layer: a ``GruLayer`` or ``LstmLayer``.
        inputs: (N, S, I).
        state: from ``pack_state``.
        weight: the recurrent weight, with or without dropout.
    """
    outputs: Tensor
    if weight is layer.weight_hh_l0:
        outputs = layer(inputs, state)[0]
    else:
        outputs = torch.func.functional_call(layer, {"weight_hh_l0": weight}, (inputs, state))[0]
    return outputs


def reverse(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Each row reversed up to its length, padding unchanged. sequence: (B, S, ...), lengths: (B,)."""
    steps = torch.arange(sequence.shape[1], device=sequence.device).unsqueeze(0)
    last = lengths.unsqueeze(1) - 1
    index = torch.where(steps <= last, last - steps, steps)
    first = torch.arange(0, index.numel(), index.shape[1], device=sequence.device).unsqueeze(1)
    return sequence.flatten(0, 1).index_select(0, (first + index).flatten()).view_as(sequence)


def last_step(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The value at each row's last step before padding: (B, S, H) to (B, H)."""
    return sequence[torch.arange(sequence.shape[0], device=sequence.device), lengths - 1]


@dataclass(frozen=True)
class Memory:
    """The encoded source."""

    start: tuple[Tensor, ...]  # (B, H) per decoder layer, from which its initial state is made
    outputs: Tensor | None  # (B, S, M), the encoder outputs; None for a model without attention
    keys: Tensor | None  # (B, S, A), the attention keys; None for a model without attention
    mask: Tensor  # (B, S) bool, false at padding


class DecoderState(NamedTuple):
    """The decoder state between two steps."""

    layers: tuple[LayerState, ...]  # the state of each layer, the lowest first
    fed: tuple[Tensor, ...]  # (last output (N, D),) with input feeding, else ()
