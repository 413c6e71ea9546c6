"""Linear maps inside a loop over time, with one gradient for all steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Product = Callable[[Tensor], Tensor]
"""``W x + b``: (N, I) to (N, O)."""

MakeProduct = Callable[[Tensor, Tensor | None], Product]
"""Makes the product of a weight (O, I) and a bias (O,) or None for one pass over a batch."""


def plain_product(weight: Tensor, bias: Tensor | None) -> Product:
    """Torch's linear map."""
    return partial(F.linear, weight=weight, bias=bias)


def products_for(steps: int, rows: int, device: torch.device) -> MakeProduct:
    """Makes the products for a loop of at most ``steps`` steps with ``rows`` rows each."""
    # Under autocast torch casts a weight once per pass; StepLinear would cast it at every step.
    if not torch.is_grad_enabled() or torch.is_autocast_enabled(device.type):
        return plain_product
    return partial(StepLinear, steps=steps, rows=rows)


class StepLinear:
    """``W x + b`` inside a loop over time.

    Under autograd a loop of T steps computes and adds T gradients of W. Here the inputs and gradients of the steps are
    collected in (T, N, ...) tensors, and one product at the end computes the gradients of W and b.

    Args:
        weight: (O, I).
        bias: (O,) or None.
        steps: T, the maximum number of calls.
        rows: N, rows of each call.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, steps: int, rows: int) -> None:
        self.weight = weight.detach().t()
        self.inputs: list[Tensor] = []
        slots: Tensor = _ProductSlots.apply(weight, bias, self.inputs, steps, rows)
        self.slots = slots.unbind(0)

    def __call__(self, values: Tensor) -> Tensor:
        """(N, I) to (N, O)."""
        slot = self.slots[len(self.inputs)]
        self.inputs.append(values.detach())
        return torch.addmm(slot, values, self.weight)


class _ProductSlots(torch.autograd.Function):
    """The bias (or zeros) for each step, to which the products are added, so that it receives their gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, inputs: list[Tensor], steps: int, rows: int) -> Tensor:
        # Not saved for backward: the inputs are filled in later.
        ctx.inputs, ctx.has_bias = inputs, bias is not None
        slot = weight.new_zeros(weight.shape[0]) if bias is None else bias.clone()
        return slot.expand(steps, rows, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat = grad[: len(ctx.inputs)].flatten(0, 1)
        grad_weight = flat.t() @ torch.cat(ctx.inputs)
        return grad_weight, flat.sum(0) if ctx.has_bias else None, None, None, None
