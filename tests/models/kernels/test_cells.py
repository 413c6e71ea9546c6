"""A step of a cell against the library's cells, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.kernels.cells import gru_step, lstm_step

ROWS, INPUT, SIZE = 3, 5, 4


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def gru_inputs() -> tuple[Tensor, ...]:
    return random(ROWS, INPUT), random(ROWS, SIZE), random(3 * SIZE, INPUT), random(3 * SIZE, SIZE)


def test_a_gru_step_by_hand() -> None:
    # One unit: r = z = sigmoid(0) = 1/2; n = tanh(1 + 1/2 * (2 * 0.5)) = tanh(1.5); h' = n / 2 + 0.5 / 2.
    gates, recurrent = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    expected = torch.tanh(torch.tensor(1.5)) / 2 + 0.25
    torch.testing.assert_close(gru_step(gates, recurrent, torch.tensor([[0.5]]))[0, 0], expected)


@pytest.mark.parametrize("grad", [True, False])
def test_a_gru_step_is_the_librarys(grad: bool) -> None:
    torch.manual_seed(0)
    given = gru_inputs()
    inputs, hidden, enter, recur = given
    with torch.set_grad_enabled(grad):
        mine = gru_step(F.linear(inputs, enter), F.linear(hidden, recur), hidden)
        plain = torch.gru_cell(inputs, hidden, enter, recur)
    torch.testing.assert_close(mine, plain)
    if grad:
        seen = torch.randn_like(mine)
        found, expected = (torch.autograd.grad((value * seen).sum(), given) for value in (mine, plain))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("grad", [True, False])
def test_an_lstm_step_is_the_librarys(grad: bool) -> None:
    torch.manual_seed(0)
    given = random(ROWS, INPUT), random(ROWS, SIZE), random(ROWS, SIZE), random(4 * SIZE, INPUT), random(4 * SIZE, SIZE)
    inputs, hidden, cell, enter, recur = given
    with torch.set_grad_enabled(grad):
        mine = lstm_step(F.linear(inputs, enter) + F.linear(hidden, recur), cell)
        plain = torch.lstm_cell(inputs, (hidden, cell), enter, recur)
    torch.testing.assert_close(mine, plain)
    if grad:
        seen = torch.randn(2, ROWS, SIZE, dtype=torch.float64)
        found, expected = (torch.autograd.grad((torch.stack(v) * seen).sum(), given) for v in (mine, plain))
        torch.testing.assert_close(found, expected)


def test_gradients_reach_the_last_step_of_an_lstm_through_its_output_alone() -> None:
    gates, cell = random(ROWS, 4 * SIZE), random(ROWS, SIZE)
    hidden, _ = lstm_step(gates, cell)
    enter, forget, new, out = gates.chunk(4, 1)
    plain = out.sigmoid() * (forget.sigmoid() * cell + enter.sigmoid() * new.tanh()).tanh()
    found, expected = (torch.autograd.grad(value.sum(), (gates, cell)) for value in (hidden, plain))
    torch.testing.assert_close(found, expected)
