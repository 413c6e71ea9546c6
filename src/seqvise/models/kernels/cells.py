"""One step of a recurrent cell, from the products with its weights; and a fast hyperbolic tangent for CPUs.

The gradients of a cell are written by hand: autograd would fill and add a whole (N, G) tensor for each slice of the
gates. In float32 on a CPU, ``torch.tanh`` takes six times as long as ``torch.sigmoid``. Additive attention computes a
tanh for every query, source step and hidden unit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def tanh(values: Tensor) -> Tensor:
    """``tanh x``, computed as ``2 sigmoid(2 x) - 1`` in float32 on a CPU.

    The absolute error is at most 2e-7. Near 0 the relative error is larger than that of ``torch.tanh``.
    """
    if not _is_slow(values):
        return torch.tanh(values)
    if torch.is_grad_enabled() and values.requires_grad:
        result: Tensor = _Tanh.apply(values)
        return result
    return _by_sigmoid(values + values)


def tanh_(values: Tensor) -> Tensor:
    """In-place ``tanh`` without gradient."""
    return _by_sigmoid(values.mul_(2)) if _is_slow(values) else values.tanh_()


def _is_slow(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype == torch.float32


def _by_sigmoid(doubled: Tensor) -> Tensor:
    """In place; takes twice the argument of the tanh."""
    return doubled.sigmoid_().mul_(2).sub_(1)


def gru_step(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
    """One step of a GRU.

    ``r, z = sigmoid(x + u)``, ``n = tanh(x_n + r u_n)``, ``h' = (1 - z) n + z h``.

    Args:
        gates: (N, 3H), x, input part of r, z, n: ``W_ih input + b_ih``.
        recurrent: (N, 3H), u, recurrent part of r, z, n: ``W_hh h + b_hh``.
        hidden: (N, H), h.
    """
    if torch.is_grad_enabled() and (gates.requires_grad or recurrent.requires_grad):
        result: Tensor = _GruStep.apply(gates, recurrent, hidden)
        return result
    return _gru(gates, recurrent, hidden)[0]


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: ``c' = f c + i g``, ``h' = o tanh(c')``.

    Args:
        gates: (N, 4H), i, f, g, o before their activations: input part plus recurrent part.
        cell: (N, H), c.
    """
    if torch.is_grad_enabled() and gates.requires_grad:
        hidden, new_cell = _LstmStep.apply(gates, cell)
        return hidden, new_cell
    hidden, new_cell, *_ = _lstm(gates, cell)
    return hidden, new_cell


def _gru(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The next state, the reset and update gates (N, 2H) and the candidate (N, H)."""
    size = hidden.shape[1]
    reset_update = torch.sigmoid(gates[:, : 2 * size] + recurrent[:, : 2 * size])
    candidate = tanh(torch.addcmul(gates[:, 2 * size :], reset_update[:, :size], recurrent[:, 2 * size :]))
    return torch.lerp(candidate, hidden, reset_update[:, size:]), reset_update, candidate


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The next hidden state and cell, the gates (N, 4H) after their activations, and tanh of the new cell."""
    size = cell.shape[1]
    activated = torch.sigmoid(gates)
    activated[:, 2 * size : 3 * size] = tanh(gates[:, 2 * size : 3 * size])
    input_gate, forget_gate, candidate, output_gate = activated.chunk(4, 1)
    new_cell = torch.addcmul(forget_gate * cell, input_gate, candidate)
    tanh_cell = tanh(new_cell)
    return output_gate * tanh_cell, new_cell, activated, tanh_cell


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = _by_sigmoid(values + values)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        product: Tensor = torch.ops.aten.tanh_backward(grad, result)
        return product


class _GruStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        new_hidden, reset_update, candidate = _gru(gates, recurrent, hidden)
        ctx.save_for_backward(recurrent, hidden, reset_update, candidate)
        return new_hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        recurrent, hidden, reset_update, candidate = ctx.saved_tensors
        size = hidden.shape[1]
        reset, update = reset_update[:, :size], reset_update[:, size:]
        grad_gates = torch.empty_like(recurrent)
        grad_hidden = grad * update
        grad_candidate = torch.mul(grad - grad_hidden, 1 - candidate.square(), out=grad_gates[:, 2 * size :])
        torch.mul(grad_hidden * (hidden - candidate), 1 - update, out=grad_gates[:, size : 2 * size])
        grad_product = grad_candidate * reset
        torch.mul(grad_product * recurrent[:, 2 * size :], 1 - reset, out=grad_gates[:, :size])
        return grad_gates, torch.cat([grad_gates[:, : 2 * size], grad_product], 1), grad_hidden


class _LstmStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        hidden, new_cell, activated, tanh_cell = _lstm(gates, cell)
        ctx.save_for_backward(cell, activated, tanh_cell)
        return hidden, new_cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad_cell: Tensor) -> tuple[Tensor, Tensor]:
        cell, activated, tanh_cell = ctx.saved_tensors
        size = cell.shape[1]
        input_gate, forget_gate, candidate, output_gate = activated.chunk(4, 1)
        grad_gates = torch.empty_like(activated)
        grad_total = torch.addcmul(grad_cell, grad_hidden * output_gate, 1 - tanh_cell.square())
        torch.mul(grad_total * candidate * input_gate, 1 - input_gate, out=grad_gates[:, :size])
        torch.mul(grad_total * cell * forget_gate, 1 - forget_gate, out=grad_gates[:, size : 2 * size])
        torch.mul(grad_total * input_gate, 1 - candidate.square(), out=grad_gates[:, 2 * size : 3 * size])
        torch.mul(grad_hidden * tanh_cell * output_gate, 1 - output_gate, out=grad_gates[:, 3 * size :])
        return grad_gates, grad_total * forget_gate
