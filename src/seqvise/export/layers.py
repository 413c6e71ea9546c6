"""Exportable replacements of layers: the same values, for any sequence length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch._higher_order_ops import while_loop  # as documented; later versions also have torch.while_loop
from torch.nn import functional as F

from seqvise.models.kernels.step_linear import Product
from seqvise.models.recurrent.layers import GruLayer, LayerState, LstmLayer, RecurrentLayer, pack_state, run_fused

Step = Callable[..., LayerState]
"""Maps the contributions of inputs and state to the gates, (N, G) each, and the state to the next state."""


class _ExportableLayer(RecurrentLayer):
    """A recurrent layer that is exported as a loop over the sentence, not unrolled for the length of the example."""

    export_step: ClassVar[Step]
    operator: ClassVar[str]
    order: ClassVar[Sequence[int]]
    """The gates of ONNX as indices into the gate order of torch."""
    attributes: ClassVar[Mapping[str, int]] = {}
    """Attributes of the operator of ONNX other than ``hidden_size``."""

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H); see ``RecurrentLayer``."""
        if torch.onnx.is_in_onnx_export():
            return _onnx_layer(self, inputs, state)
        if torch.compiler.is_exporting():
            return _run_loop(self, inputs, state)
        return run_fused(self, inputs, pack_state(state), self.weight_hh_l0)


def _gru_step(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> LayerState:
    reset, update, candidate = gates.chunk(3, 1)
    of_reset, of_update, of_candidate = recurrent.chunk(3, 1)
    update = torch.sigmoid(update + of_update)
    candidate = torch.tanh(candidate + torch.sigmoid(reset + of_reset) * of_candidate)
    return ((1 - update) * candidate + update * hidden,)


def _lstm_step(gates: Tensor, recurrent: Tensor, _hidden: Tensor, cell: Tensor) -> LayerState:
    enter, forget, new, out = (gates + recurrent).chunk(4, 1)
    new_cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(new_cell), new_cell


class ExportableGru(_ExportableLayer, GruLayer):
    """A GRU that is exported as a loop."""

    export_step, operator, order = staticmethod(_gru_step), "GRU", (1, 0, 2)
    attributes: ClassVar[Mapping[str, int]] = {"linear_before_reset": 1}


class ExportableLstm(_ExportableLayer, LstmLayer):
    """An LSTM that is exported as a loop."""

    export_step, operator, order = staticmethod(_lstm_step), "LSTM", (0, 3, 1, 2)

    @staticmethod
    def advance(project_state: Product, gates: Tensor, state: LayerState) -> LayerState:
        """A step without in-place writes to slices."""
        return _lstm_step(gates, project_state(state[0]), *state)


def _onnx_layer(layer: _ExportableLayer, inputs: Tensor, state: LayerState) -> Tensor:
    """The recurrent operator of ONNX over a sentence: (N, S, I) to (N, S, H). state: the initial state."""
    rows, steps, width = inputs.shape[0], inputs.shape[1], layer.hidden_size

    def ordered(weight: Tensor) -> Tensor:
        return torch.cat([weight[gate * width : (gate + 1) * width] for gate in layer.order]).unsqueeze(0)

    bias = torch.cat([ordered(layer.bias_ih_l0), ordered(layer.bias_hh_l0)], 1)
    weights = (ordered(layer.weight_ih_l0), ordered(layer.weight_hh_l0), bias)
    # The fifth input, lengths, is omitted: padding is at the end and does not affect real steps.
    outputs: Tensor = torch.onnx.ops.symbolic(
        layer.operator,
        (inputs.transpose(0, 1), *weights, None, *(part.unsqueeze(0) for part in state)),
        {"hidden_size": width, **layer.attributes},
        dtype=inputs.dtype,
        shape=(steps, 1, rows, width),
    )
    return outputs.squeeze(1).transpose(0, 1)


def _run_loop(layer: _ExportableLayer, inputs: Tensor, state: LayerState) -> Tensor:
    """The layer as a loop in the exported graph: (N, S, I) to (N, S, H)."""
    gates = F.linear(inputs.transpose(0, 1), layer.weight_ih_l0, layer.bias_ih_l0)
    # The inputs of a loop must not share memory, but the weights of a layer may be views of one block.
    weight, bias = layer.weight_hh_l0.clone(), layer.bias_hh_l0.clone()
    outputs = gates.new_zeros(gates.shape[0], *state[0].shape)

    def unfinished(time: Tensor, *_: Tensor) -> Tensor:
        return time < gates.shape[0]

    def advance(time: Tensor, outputs: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        index = time.unsqueeze(0)
        new_state = layer.export_step(gates.index_select(0, index).squeeze(0), F.linear(state[0], weight, bias), *state)
        return (time + 1, outputs.index_copy(0, index, new_state[0].unsqueeze(0)), *new_state)

    initial = (torch.zeros((), dtype=torch.long), outputs, *(part.clone() for part in state))
    final = cast(tuple[Tensor, ...], while_loop(unfinished, advance, initial))
    return final[1].transpose(0, 1)


class ExportableRmsNorm(nn.RMSNorm):
    """``x w / sqrt(mean(x^2) + eps)`` in operations of every ONNX version."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        assert self.weight is not None
        assert self.eps is not None
        scaled: Tensor = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight
        return scaled


def exportable(model: nn.Module) -> nn.Module:
    """A copy of a model with exportable layers, in evaluation mode and without gradients."""
    copy = deepcopy(model)
    for parent in list(copy.modules()):
        for name, layer in parent.named_children():
            if (replacement := _exportable_layer(layer)) is not None:
                replacement.load_state_dict(layer.state_dict())
                setattr(parent, name, replacement)
    return copy.eval().requires_grad_(False)


def _exportable_layer(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, GruLayer):
        return ExportableGru(layer.input_size, layer.hidden_size)
    if isinstance(layer, LstmLayer):
        return ExportableLstm(layer.input_size, layer.hidden_size)
    if isinstance(layer, nn.RMSNorm) and layer.weight is not None and layer.eps is not None:
        return ExportableRmsNorm(layer.normalized_shape, layer.eps)
    return None
