"""Layers that can be traced for any length and written as ONNX, with the values of those they stand for."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqvise.models.layers import Cell, GruLayer, LayerState, LstmLayer, run_fused
from seqvise.models.products import MakeProduct, Product


class TraceableGru(GruLayer):
    """A GRU that runs a sentence in the library's kernel: a traced loop would have the steps of the example."""

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H); see ``RecurrentLayer``."""
        return run_fused(self, inputs, state[0].unsqueeze(0), self.weight_hh_l0)


class TraceableLstm(LstmLayer):
    """An LSTM likewise."""

    def run(self, inputs: Tensor, state: LayerState, weight: Tensor | None = None) -> Tensor:
        """The outputs of all steps: (N, S, I) to (N, S, H); see ``RecurrentLayer``."""
        return run_fused(self, inputs, (state[0].unsqueeze(0), state[1].unsqueeze(0)), self.weight_hh_l0)

    def bind(self, make: MakeProduct, weight: Tensor) -> Cell:
        """The cell with the weights of one pass; see ``RecurrentLayer``."""
        return _LstmCell(make(self.weight_ih_l0, self.bias_ih_l0), make(weight, self.bias_hh_l0))


class _LstmCell(NamedTuple):
    enter: Product
    recur: Product

    def step(self, inputs: Tensor, state: LayerState) -> LayerState:
        enter, forget, new, out = (self.enter(inputs) + self.recur(state[0])).chunk(4, 1)
        after = torch.sigmoid(forget) * state[1] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(after), after


class TraceableRmsNorm(nn.RMSNorm):
    """``x w / sqrt(mean(x^2) + eps)`` in operations that older ONNX has."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        assert self.weight is not None
        assert self.eps is not None
        scaled: Tensor = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight
        return scaled


def traceable(model: nn.Module) -> nn.Module:
    """A copy of a model whose layers can be traced, in evaluation mode."""
    copy = deepcopy(model)
    for parent in list(copy.modules()):
        for name, layer in parent.named_children():
            if (twin := _twin(layer)) is not None:
                twin.load_state_dict(layer.state_dict())
                setattr(parent, name, twin)
    return copy.eval()


def _twin(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, GruLayer):
        return TraceableGru(layer.input_size, layer.hidden_size)
    if isinstance(layer, LstmLayer):
        return TraceableLstm(layer.input_size, layer.hidden_size)
    if isinstance(layer, nn.RMSNorm) and layer.weight is not None and layer.eps is not None:
        return TraceableRmsNorm(layer.normalized_shape, layer.eps)
    return None
