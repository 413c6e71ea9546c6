"""A fast hyperbolic tangent for CPUs.

In float32 on a CPU, ``torch.tanh`` takes six times as long as ``torch.sigmoid``. Additive attention computes a tanh for
every query, source step and hidden unit.
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
