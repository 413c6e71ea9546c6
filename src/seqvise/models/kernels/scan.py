"""Recurrent cells over a whole sequence, with a handwritten backward pass for CPUs, which have no fused kernel.

A loop of cells under autograd computes and adds one weight gradient per step, which dominates its time on a CPU. Here
the gradient of the recurrent weight is one product over all steps. The derivatives of the gates are computed for all
steps at once, too.

Tensors in this file are time-first, (S, N, ...), so that each step is one contiguous block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqvise.models.kernels.cells import tanh, tanh_


def gru_scan(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All states of a GRU. gates: (S, N, 3H), hidden: (N, H), weight: (3H, H), bias: (3H,). Returns (S, N, H)."""
    return _in_weight_dtype(_GruScan, gates, hidden, weight, bias)


def lstm_scan(gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All outputs of an LSTM. gates: (S, N, 4H), hidden and cell: (N, H). Returns (S, N, H)."""
    return _in_weight_dtype(_LstmScan, gates, hidden, cell, weight, bias)


def _in_weight_dtype(scan: type[torch.autograd.Function], *inputs: Tensor) -> Tensor:
    """Runs forward and backward in the dtype of the weights; under autocast the gates are in half precision."""
    dtype = inputs[-1].dtype
    with torch.autocast(inputs[0].device.type, enabled=False):
        result: Tensor = scan.apply(*[value.to(dtype) for value in inputs])
    return result


class _GruScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, rows, size = gates.shape[0], gates.shape[1], hidden.shape[1]
        states = gates.new_empty(steps + 1, rows, size)
        states[0] = hidden
        reset_update = gates.new_empty(steps, rows, 2 * size)
        candidates, recurrent_candidates = torch.empty_like(states[1:]), torch.empty_like(states[1:])
        for t in range(steps):
            recurrent = torch.addmm(bias, states[t], weight.t())
            torch.sigmoid(gates[t, :, : 2 * size] + recurrent[:, : 2 * size], out=reset_update[t])
            recurrent_candidates[t] = recurrent[:, 2 * size :]
            reset, update = reset_update[t, :, :size], reset_update[t, :, size:]
            tanh_(torch.addcmul(gates[t, :, 2 * size :], reset, recurrent_candidates[t], out=candidates[t]))
            torch.lerp(candidates[t], states[t], update, out=states[t + 1])
        ctx.save_for_backward(states, reset_update, candidates, recurrent_candidates, weight)
        outputs: Tensor = states[1:]
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states, reset_update, candidates, recurrent_candidates, weight = ctx.saved_tensors
        steps, rows, size = candidates.shape
        reset, update = reset_update[..., :size], reset_update[..., size:]
        candidate_factor = (1 - update) * (1 - candidates.square())
        update_factor = (states[:-1] - candidates) * update * (1 - update)
        reset_factor = recurrent_candidates * reset * (1 - reset)
        grad_gates = grad.new_empty(steps, rows, 3 * size)
        grad_recurrent = grad.new_empty(steps, rows, 3 * size)
        grad_hidden = torch.zeros_like(states[0])
        for t in range(steps - 1, -1, -1):
            grad_hidden = grad_hidden + grad[t]
            grad_candidate = torch.mul(grad_hidden, candidate_factor[t], out=grad_gates[t, :, 2 * size :])
            torch.mul(grad_hidden, update_factor[t], out=grad_recurrent[t, :, size : 2 * size])
            torch.mul(grad_candidate, reset_factor[t], out=grad_recurrent[t, :, :size])
            torch.mul(grad_candidate, reset[t], out=grad_recurrent[t, :, 2 * size :])
            grad_hidden = torch.addmm(grad_hidden * update[t], grad_recurrent[t], weight)
        grad_gates[..., : 2 * size] = grad_recurrent[..., : 2 * size]
        return grad_gates, grad_hidden, *_weight_gradients(grad_recurrent, states[:-1])


class _LstmScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, rows, size = gates.shape[0], gates.shape[1], hidden.shape[1]
        states, cells = gates.new_empty(2, steps + 1, rows, size)
        states[0], cells[0] = hidden, cell
        activated, tanh_cells = torch.empty_like(gates), torch.empty_like(cells[1:])
        for t in range(steps):
            torch.add(gates[t], torch.addmm(bias, states[t], weight.t()), out=activated[t])
            input_gate, forget_gate, candidate, output_gate = activated[t].chunk(4, 1)
            activated[t, :, : 2 * size].sigmoid_()
            tanh_(candidate)
            output_gate.sigmoid_()
            torch.addcmul(forget_gate * cells[t], input_gate, candidate, out=cells[t + 1])
            tanh_cells[t] = tanh(cells[t + 1])
            torch.mul(output_gate, tanh_cells[t], out=states[t + 1])
        ctx.save_for_backward(states, cells, activated, tanh_cells, weight)
        outputs: Tensor = states[1:]
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        states, cells, activated, tanh_cells, weight = ctx.saved_tensors
        size = tanh_cells.shape[2]
        input_gate, forget_gate, candidate, output_gate = activated.chunk(4, 2)
        gate_factors = torch.cat(
            [
                candidate * input_gate * (1 - input_gate),
                cells[:-1] * forget_gate * (1 - forget_gate),
                input_gate * (1 - candidate.square()),
            ],
            dim=2,
        )
        output_factor = tanh_cells * output_gate * (1 - output_gate)
        cell_factor = output_gate * (1 - tanh_cells.square())
        grad_gates = torch.empty_like(activated)
        grad_hidden, grad_cell = torch.zeros_like(states[0]), torch.zeros_like(states[0])
        for t in range(grad.shape[0] - 1, -1, -1):
            grad_hidden = grad_hidden + grad[t]
            grad_cell = torch.addcmul(grad_cell, grad_hidden, cell_factor[t])
            torch.mul(grad_cell.repeat(1, 3), gate_factors[t], out=grad_gates[t, :, : 3 * size])
            torch.mul(grad_hidden, output_factor[t], out=grad_gates[t, :, 3 * size :])
            grad_hidden = grad_gates[t] @ weight
            grad_cell = grad_cell * forget_gate[t]
        return grad_gates, grad_hidden, grad_cell, *_weight_gradients(grad_gates, states[:-1])


def _weight_gradients(grad_gates: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias in ``states @ weight.T + bias``, over all steps at once."""
    flat = grad_gates.flatten(0, 1)
    return flat.t() @ states.flatten(0, 1), flat.sum(0)
