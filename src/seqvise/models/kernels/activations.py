"""The hyperbolic tangent at the speed of the sigmoid.

In single precision on a CPU, the library's takes six times as long as its sigmoid, and additive attention asks for one
for each source step and number of each query.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def tanh(values: Tensor) -> Tensor:
    """``tanh x``, in single precision on a CPU as ``2 sigmoid(2 x) - 1``.

    That is right to 2e-7, which near 0 is more of the result than what the library's rounding leaves.
    """
    if not _is_slow(values):
        return torch.tanh(values)
    if torch.is_grad_enabled() and values.requires_grad:
        result: Tensor = _Tanh.apply(values)
        return result
    return _by_sigmoid(values + values)


def tanh_(values: Tensor) -> Tensor:
    """``tanh`` in place, without gradient."""
    return _by_sigmoid(values.mul_(2)) if _is_slow(values) else values.tanh_()


def _is_slow(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype == torch.float32


def _by_sigmoid(twice: Tensor) -> Tensor:
    """In place, from twice the argument."""
    return twice.sigmoid_().mul_(2).sub_(1)


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
