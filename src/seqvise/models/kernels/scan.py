"""Recurrent cells over a whole sequence, with a backward pass written out for processors without a fused kernel.

Against a loop of cells under autograd it saves what dominates there on a CPU: the gradient of the recurrent weight is
one product over all steps, not one a step with an addition of the whole matrix each time, and the factors of the
gates' derivatives are computed for all steps at once.

Time comes first inside this file, (S, N, ...), so that a step is one contiguous block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqvise.models.kernels.activations import tanh, tanh_


def gru_scan(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All states of a GRU. gates: (S, N, 3H), hidden: (N, H), weight: (3H, H), bias: (3H,). Returns (S, N, H)."""
    return _in_one_format(_GruScan, gates, hidden, weight, bias)


def lstm_scan(gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All outputs of an LSTM. gates: (S, N, 4H), hidden and cell: (N, H). Returns (S, N, H)."""
    return _in_one_format(_LstmScan, gates, hidden, cell, weight, bias)


def _in_one_format(scan: type[torch.autograd.Function], *inputs: Tensor) -> Tensor:
    """Under autocast the gates come in half precision; forward and backward both run in the weights' own format."""
    kind = inputs[-1].dtype
    with torch.autocast(inputs[0].device.type, enabled=False):
        result: Tensor = scan.apply(*[value.to(kind) for value in inputs])
    return result


class _GruScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, rows, size = gates.shape[0], gates.shape[1], hidden.shape[1]
        states = gates.new_empty(steps + 1, rows, size)
        states[0] = hidden
        switches = gates.new_empty(steps, rows, 2 * size)
        candidates, pushed = torch.empty_like(states[1:]), torch.empty_like(states[1:])
        for t in range(steps):
            recurrent = torch.addmm(bias, states[t], weight.t())
            torch.sigmoid(gates[t, :, : 2 * size] + recurrent[:, : 2 * size], out=switches[t])
            pushed[t] = recurrent[:, 2 * size :]
            reset, update = switches[t, :, :size], switches[t, :, size:]
            tanh_(torch.addcmul(gates[t, :, 2 * size :], reset, pushed[t], out=candidates[t]))
            torch.lerp(candidates[t], states[t], update, out=states[t + 1])
        ctx.save_for_backward(states, switches, candidates, pushed, weight)
        outputs: Tensor = states[1:]
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states, switches, candidates, pushed, weight = ctx.saved_tensors
        steps, rows, size = candidates.shape
        reset, update = switches[..., :size], switches[..., size:]
        to_candidate = (1 - update) * (1 - candidates.square())
        to_update = (states[:-1] - candidates) * update * (1 - update)
        to_reset = pushed * reset * (1 - reset)
        grad_gates = grad.new_empty(steps, rows, 3 * size)
        grad_recurrent = grad.new_empty(steps, rows, 3 * size)
        carried = torch.zeros_like(states[0])
        for t in range(steps - 1, -1, -1):
            carried = carried + grad[t]
            of_candidate = torch.mul(carried, to_candidate[t], out=grad_gates[t, :, 2 * size :])
            torch.mul(carried, to_update[t], out=grad_recurrent[t, :, size : 2 * size])
            torch.mul(of_candidate, to_reset[t], out=grad_recurrent[t, :, :size])
            torch.mul(of_candidate, reset[t], out=grad_recurrent[t, :, 2 * size :])
            carried = torch.addmm(carried * update[t], grad_recurrent[t], weight)
        grad_gates[..., : 2 * size] = grad_recurrent[..., : 2 * size]
        return grad_gates, carried, *_weight_gradients(grad_recurrent, states[:-1])


class _LstmScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, rows, size = gates.shape[0], gates.shape[1], hidden.shape[1]
        states, cells = gates.new_empty(2, steps + 1, rows, size)
        states[0], cells[0] = hidden, cell
        switches, squashed = torch.empty_like(gates), torch.empty_like(cells[1:])
        for t in range(steps):
            torch.add(gates[t], torch.addmm(bias, states[t], weight.t()), out=switches[t])
            enter, forget, new, out = switches[t].chunk(4, 1)
            switches[t, :, : 2 * size].sigmoid_()
            tanh_(new)
            out.sigmoid_()
            torch.addcmul(forget * cells[t], enter, new, out=cells[t + 1])
            squashed[t] = tanh(cells[t + 1])
            torch.mul(out, squashed[t], out=states[t + 1])
        ctx.save_for_backward(states, cells, switches, squashed, weight)
        outputs: Tensor = states[1:]
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        states, cells, switches, squashed, weight = ctx.saved_tensors
        size = squashed.shape[2]
        enter, forget, new, out = switches.chunk(4, 2)
        by_cell = torch.cat(
            [new * enter * (1 - enter), cells[:-1] * forget * (1 - forget), enter * (1 - new.square())], dim=2
        )
        by_output = squashed * out * (1 - out)
        to_cell = out * (1 - squashed.square())
        grad_gates = torch.empty_like(switches)
        carried, carried_cell = torch.zeros_like(states[0]), torch.zeros_like(states[0])
        for t in range(grad.shape[0] - 1, -1, -1):
            carried = carried + grad[t]
            carried_cell = torch.addcmul(carried_cell, carried, to_cell[t])
            torch.mul(carried_cell.repeat(1, 3), by_cell[t], out=grad_gates[t, :, : 3 * size])
            torch.mul(carried, by_output[t], out=grad_gates[t, :, 3 * size :])
            carried = grad_gates[t] @ weight
            carried_cell = carried_cell * forget[t]
        return grad_gates, carried, carried_cell, *_weight_gradients(grad_gates, states[:-1])


def _weight_gradients(grad_gates: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of ``inputs @ weight.T + bias`` for weight and bias, over all steps at once."""
    flat = grad_gates.flatten(0, 1)
    return flat.t() @ inputs.flatten(0, 1), flat.sum(0)
