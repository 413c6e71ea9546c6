"""Adam that leaves alone the word vectors of words which a step has not met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor


class LazyAdam(torch.optim.Adam):
    """Adam (Kingma and Ba, 2015), which in some matrices updates only rows that have a gradient.

    The other rows keep their values and both averages: in Adam itself they would move on by the averages of earlier
    steps, and a large vocabulary would cost its whole size at each step. Where all rows have a gradient, as where the
    matrix is also that of a full softmax, a step is Adam's. The count of steps that corrects the averages' bias is that
    of all steps, as in torch's ``SparseAdam``. Gradients are dense here, so that they are clipped and summed over
    processes as any others; on an accelerator a step waits to learn how many rows there are.

    Args:
        groups: parameters, with their rates.
        lazy: those whose rows are looked at; parameters of other than two dimensions are Adam's.
        options: of ``torch.optim.Adam``.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lazy: Sequence[Tensor], **options: Any) -> None:
        super().__init__(groups, **options)
        self._lazy = {id(weight) for weight in lazy if weight.dim() == 2}
        # A gradient scaler then unscales gradients before the step, rather than leave it to the fused kernel.
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step over all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        done: list[tuple[Tensor, Tensor]] = []
        for group in self.param_groups:
            for weight in group["params"]:
                gradient = weight.grad
                if gradient is None or id(weight) not in self._lazy:
                    continue
                rows = torch.linalg.vector_norm(gradient, dim=1).nonzero().squeeze(1)
                if len(rows) < len(weight):
                    self._step_rows(group, weight, gradient, rows)
                    done.append((weight, gradient))
                    weight.grad = None
        super().step()
        for weight, gradient in done:
            weight.grad = gradient
        return loss

    def _step_rows(self, group: dict[str, Any], weight: Tensor, gradient: Tensor, rows: Tensor) -> None:
        """Algorithm 1 of Kingma and Ba over some rows."""
        state = cast("dict[str, Tensor]", self.state[weight])
        if not state:
            state["step"] = torch.zeros((), device=weight.device if group["fused"] else None)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        steps, (first, second) = float(state["step"]), group["betas"]
        old, slope = weight.index_select(0, rows), gradient.index_select(0, rows)
        if group["weight_decay"]:
            slope = slope.add(old, alpha=group["weight_decay"])
        mean = state["exp_avg"].index_select(0, rows).lerp_(slope, 1 - first)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(second).addcmul_(slope, slope, value=1 - second)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        size = square.sqrt_().div_((1 - second**steps) ** 0.5).add_(group["eps"])
        weight.index_copy_(0, rows, old.addcdiv_(mean, size, value=-group["lr"] / (1 - first**steps)))
