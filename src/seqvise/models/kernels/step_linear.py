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
"""A weight (O, I) and a bias (O,) or None to their product for one pass over a batch."""


def plain_product(weight: Tensor, bias: Tensor | None) -> Product:
    """The library's linear map."""
    return partial(F.linear, weight=weight, bias=bias)


def products_for(steps: int, rows: int, device: torch.device) -> MakeProduct:
    """The products of a loop of at most ``steps`` steps over ``rows`` rows each."""
    # Under autocast the library casts a weight once a pass, which a step product would do at every step.
    if not torch.is_grad_enabled() or torch.is_autocast_enabled(device.type):
        return plain_product
    return partial(StepLinear, steps=steps, rows=rows)


class StepLinear:
    """``W x + b`` for one step after another.

    Under autograd a loop of T steps writes T gradients of W and adds them up. Here the steps' inputs and gradients are
    kept, (T, N, ...) together, and become the gradients of W and b in one product at the end.

    Args:
        weight: (O, I).
        bias: (O,) or None.
        steps: T, the most calls.
        rows: N, rows of each call.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, steps: int, rows: int) -> None:
        self.weight = weight.detach().t()
        self.inputs: list[Tensor] = []
        slots: Tensor = _Slots.apply(weight, bias, self.inputs, steps, rows)
        self.slots = slots.unbind(0)

    def __call__(self, values: Tensor) -> Tensor:
        """(N, I) to (N, O)."""
        slot = self.slots[len(self.inputs)]
        self.inputs.append(values.detach())
        return torch.addmm(slot, values, self.weight)


class _Slots(torch.autograd.Function):
    """The bias (or zeros) for each step; their gradient is that of the products they are added to."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, inputs: list[Tensor], steps: int, rows: int) -> Tensor:
        # Not saved for backward: the inputs are filled in after this.
        ctx.inputs, ctx.biased = inputs, bias is not None
        start = weight.new_zeros(weight.shape[0]) if bias is None else bias.clone()
        return start.expand(steps, rows, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat = grad[: len(ctx.inputs)].flatten(0, 1)
        weight = flat.t() @ torch.cat(ctx.inputs)
        return weight, flat.sum(0) if ctx.biased else None, None, None, None
