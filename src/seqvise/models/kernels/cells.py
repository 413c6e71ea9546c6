"""One step of a recurrent cell, given the products of its weights.

Under autograd the gates' gradients are written out: a graph of single operations would fill and add a whole (N, G)
tensor for each slice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqvise.models.kernels.activations import tanh


def gru_step(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
    """One step of a GRU.

    ``r, z = sigmoid(x + u)``, ``n = tanh(x_n + r u_n)``, ``h' = (1 - z) n + z h``.

    Args:
        gates: (N, 3H), x, the input's share of r, z, n with its bias.
        recurrent: (N, 3H), u, the state's share with its bias.
        hidden: (N, H).
    """
    if torch.is_grad_enabled() and (gates.requires_grad or recurrent.requires_grad):
        result: Tensor = _GruStep.apply(gates, recurrent, hidden)
        return result
    return _gru(gates, recurrent, hidden)[0]


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: ``c' = f c + i g``, ``h' = o tanh(c')``.

    Args:
        gates: (N, 4H), the shares of input and state of i, f, g, o, with their biases.
        cell: (N, H).
    """
    if torch.is_grad_enabled() and gates.requires_grad:
        hidden, after = _LstmStep.apply(gates, cell)
        return hidden, after
    hidden, after, *_ = _lstm(gates, cell)
    return hidden, after


def _gru(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The next state, the switches (N, 2H) and the candidate (N, H)."""
    size = hidden.shape[1]
    switches = torch.sigmoid(gates[:, : 2 * size] + recurrent[:, : 2 * size])
    candidate = tanh(torch.addcmul(gates[:, 2 * size :], switches[:, :size], recurrent[:, 2 * size :]))
    return torch.lerp(candidate, hidden, switches[:, size:]), switches, candidate


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The next output and cell, the gates (N, 4H) after their functions, and tanh of the cell."""
    size = cell.shape[1]
    opened = torch.sigmoid(gates)
    opened[:, 2 * size : 3 * size] = tanh(gates[:, 2 * size : 3 * size])
    enter, forget, new, out = opened.chunk(4, 1)
    after = torch.addcmul(forget * cell, enter, new)
    squashed = tanh(after)
    return out * squashed, after, opened, squashed


class _GruStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        after, switches, candidate = _gru(gates, recurrent, hidden)
        ctx.save_for_backward(recurrent, hidden, switches, candidate)
        return after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        recurrent, hidden, switches, candidate = ctx.saved_tensors
        size = hidden.shape[1]
        reset, update = switches[:, :size], switches[:, size:]
        of_gates = torch.empty_like(recurrent)
        kept = grad * update
        of_candidate = torch.mul(grad - kept, 1 - candidate.square(), out=of_gates[:, 2 * size :])
        torch.mul(kept * (hidden - candidate), 1 - update, out=of_gates[:, size : 2 * size])
        pushed = of_candidate * reset
        torch.mul(pushed * recurrent[:, 2 * size :], 1 - reset, out=of_gates[:, :size])
        return of_gates, torch.cat([of_gates[:, : 2 * size], pushed], 1), kept


class _LstmStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        hidden, after, opened, squashed = _lstm(gates, cell)
        ctx.save_for_backward(cell, opened, squashed)
        return hidden, after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad_after: Tensor) -> tuple[Tensor, Tensor]:
        cell, opened, squashed = ctx.saved_tensors
        size = cell.shape[1]
        enter, forget, new, out = opened.chunk(4, 1)
        of_gates = torch.empty_like(opened)
        of_after = torch.addcmul(grad_after, grad_hidden * out, 1 - squashed.square())
        torch.mul(of_after * new * enter, 1 - enter, out=of_gates[:, :size])
        torch.mul(of_after * cell * forget, 1 - forget, out=of_gates[:, size : 2 * size])
        torch.mul(of_after * enter, 1 - new.square(), out=of_gates[:, 2 * size : 3 * size])
        torch.mul(grad_hidden * squashed * out, 1 - out, out=of_gates[:, 3 * size :])
        return of_gates, of_after * forget
