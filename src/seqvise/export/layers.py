"""Layers that can be exported for any length, with the values of those that they replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch._higher_order_ops import while_loop  # as torch documents it; later ones have torch.while_loop too
from torch.nn import functional as F

from seqvise.models.kernels.step_linear import MakeProduct, Product
from seqvise.models.recurrent.layers import Cell, GruLayer, LayerState, LstmLayer, run_fused

Step = Callable[..., LayerState]
"""From the shares of the inputs and of the state in the gates, (N, G) each, and the state to the next state."""


class ExportableGru(GruLayer):
    """A GRU whose exported file has one loop over the sentence, not the steps of the example."""

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H); see ``RecurrentLayer``."""
        if torch.onnx.is_in_onnx_export():
            return _onnx_layer(self, "GRU", inputs, state, order=(1, 0, 2), linear_before_reset=1)
        if torch.compiler.is_exporting():
            return _run_loop(self, inputs, state, _gru_step)
        return run_fused(self, inputs, state[0].unsqueeze(0), self.weight_hh_l0)


class ExportableLstm(LstmLayer):
    """An LSTM with such a loop."""

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H); see ``RecurrentLayer``."""
        if torch.onnx.is_in_onnx_export():
            return _onnx_layer(self, "LSTM", inputs, state, order=(0, 3, 1, 2))
        if torch.compiler.is_exporting():
            return _run_loop(self, inputs, state, _lstm_step)
        return run_fused(self, inputs, (state[0].unsqueeze(0), state[1].unsqueeze(0)), self.weight_hh_l0)

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell with the weights of one pass, without writes into slices; see ``RecurrentLayer``."""
        return _LstmCell(make(self.weight_ih_l0, self.bias_ih_l0), make(weight, self.bias_hh_l0))


class _LstmCell(NamedTuple):
    enter: Product
    recur: Product

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        return _lstm_step(self.enter(inputs), self.recur(state[0]), *state)


def _gru_step(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> LayerState:
    reset, update, candidate = gates.chunk(3, 1)
    of_reset, of_update, of_candidate = recurrent.chunk(3, 1)
    update = torch.sigmoid(update + of_update)
    candidate = torch.tanh(candidate + torch.sigmoid(reset + of_reset) * of_candidate)
    return ((1 - update) * candidate + update * hidden,)


def _lstm_step(gates: Tensor, recurrent: Tensor, _hidden: Tensor, cell: Tensor) -> LayerState:
    enter, forget, new, out = (gates + recurrent).chunk(4, 1)
    after = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(after), after


def _onnx_layer(
    layer: GruLayer | LstmLayer, operator: str, inputs: Tensor, state: LayerState, order: Sequence[int], **attrs: int
) -> Tensor:
    """ONNX's own operator over a sentence: (N, S, I) to (N, S, H).

    Args:
        layer: whose weights are read.
        operator: ``GRU`` or ``LSTM``.
        inputs: (N, S, I).
        state: before the first step.
        order: of the gates in ONNX, as places in torch's order.
        attrs: of the operator, beside its width.
    """

    rows, steps, width = inputs.shape[0], inputs.shape[1], layer.hidden_size

    def ordered(weight: Tensor) -> Tensor:
        return torch.cat([weight[place * width : (place + 1) * width] for place in order]).unsqueeze(0)

    bias = torch.cat([ordered(layer.bias_ih_l0), ordered(layer.bias_hh_l0)], 1)
    weights = (ordered(layer.weight_ih_l0), ordered(layer.weight_hh_l0), bias)
    # The fifth input, lengths, stays out: padding is at the end and never reaches a real step.
    outputs: Tensor = torch.onnx.ops.symbolic(
        operator,
        (inputs.transpose(0, 1), *weights, None, *(part.unsqueeze(0) for part in state)),
        {"hidden_size": width, **attrs},
        dtype=inputs.dtype,
        shape=(steps, 1, rows, width),
    )
    return outputs.squeeze(1).transpose(0, 1)


def _run_loop(layer: GruLayer | LstmLayer, inputs: Tensor, state: LayerState, step: Step) -> Tensor:
    """A loop that stays one in the exported graph: (N, S, I) to (N, S, H)."""
    gates = F.linear(inputs.transpose(0, 1), layer.weight_ih_l0, layer.bias_ih_l0)
    # Tensors that a loop reads must not share memory, and a layer's weights may be parts of one block.
    weight, bias = layer.weight_hh_l0.clone(), layer.bias_hh_l0.clone()
    outputs = gates.new_zeros(gates.shape[0], *state[0].shape)

    def unfinished(time: Tensor, *_: Tensor) -> Tensor:
        return time < gates.shape[0]

    def advance(time: Tensor, outputs: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        place = time.unsqueeze(0)
        after = step(gates.index_select(0, place).squeeze(0), F.linear(state[0], weight, bias), *state)
        return (time + 1, outputs.index_copy(0, place, after[0].unsqueeze(0)), *after)

    begin = (torch.zeros((), dtype=torch.long), outputs, *(part.clone() for part in state))
    looped = cast(tuple[Tensor, ...], while_loop(unfinished, advance, begin))
    return looped[1].transpose(0, 1)


class ExportableRmsNorm(nn.RMSNorm):
    """``x w / sqrt(mean(x^2) + eps)`` in operations that every ONNX has."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        assert self.weight is not None
        assert self.eps is not None
        scaled: Tensor = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight
        return scaled


def exportable(model: nn.Module) -> nn.Module:
    """A copy of a model whose layers can be exported, in evaluation mode and without gradients."""
    copy = deepcopy(model)
    for parent in list(copy.modules()):
        for name, layer in parent.named_children():
            if (twin := _twin(layer)) is not None:
                twin.load_state_dict(layer.state_dict())
                setattr(parent, name, twin)
    return copy.eval().requires_grad_(False)


def _twin(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, GruLayer):
        return ExportableGru(layer.input_size, layer.hidden_size)
    if isinstance(layer, LstmLayer):
        return ExportableLstm(layer.input_size, layer.hidden_size)
    if isinstance(layer, nn.RMSNorm) and layer.weight is not None and layer.eps is not None:
        return ExportableRmsNorm(layer.normalized_shape, layer.eps)
    return None
