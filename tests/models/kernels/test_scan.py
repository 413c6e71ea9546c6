"""The handwritten backward passes against autograd over single steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.kernels.cells import gru_step, lstm_step
from seqvise.models.kernels.scan import gru_scan, lstm_scan
from seqvise.models.recurrent.layers import last_step, reverse

STEPS, ROWS, SIZE = 5, 3, 4


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def run_loop(step: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]], gates: Tensor, *state: Tensor) -> Tensor:
    outputs = []
    for t in range(len(gates)):
        state = step(gates[t], state)
        outputs.append(state[0])
    return torch.stack(outputs)


def gru_loop(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return run_loop(
        lambda step_gates, state: (gru_step(step_gates, F.linear(state[0], weight, bias), state[0]),), gates, hidden
    )


def lstm_loop(gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return run_loop(
        lambda step_gates, state: lstm_step(step_gates + F.linear(state[0], weight, bias), state[1]),
        gates,
        hidden,
        cell,
    )


@pytest.mark.parametrize(
    ("scan", "loop", "parts", "states"), [(gru_scan, gru_loop, 3, 1), (lstm_scan, lstm_loop, 4, 2)]
)
def test_a_scan_has_the_values_and_gradients_of_a_loop(
    scan: Callable[..., Tensor], loop: Callable[..., Tensor], parts: int, states: int
) -> None:
    torch.manual_seed(0)
    inputs = [random(STEPS, ROWS, parts * SIZE), *[random(ROWS, SIZE) for _ in range(states)]]
    inputs += [random(parts * SIZE, SIZE), random(parts * SIZE)]
    grad_outputs = torch.randn(STEPS, ROWS, SIZE, dtype=torch.float64)
    outputs, expected_outputs = scan(*inputs), loop(*inputs)
    torch.testing.assert_close(outputs, expected_outputs)
    for gradient, expected in zip(
        torch.autograd.grad((outputs * grad_outputs).sum(), inputs),
        torch.autograd.grad((expected_outputs * grad_outputs).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected)


def test_reverse_does_not_move_padding() -> None:
    sequence, lengths = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]), torch.tensor([3, 4])
    assert reverse(sequence, lengths).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]
    assert last_step(sequence, lengths).tolist() == [3, 7]
