"""Values and gradients of single cell steps against torch's cells."""

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
def test_a_gru_step_equals_torch(grad: bool) -> None:
    torch.manual_seed(0)
    tensors = gru_inputs()
    inputs, hidden, input_weight, hidden_weight = tensors
    with torch.set_grad_enabled(grad):
        outputs = gru_step(F.linear(inputs, input_weight), F.linear(hidden, hidden_weight), hidden)
        expected_outputs = torch.gru_cell(inputs, hidden, input_weight, hidden_weight)
    torch.testing.assert_close(outputs, expected_outputs)
    if grad:
        grad_outputs = torch.randn_like(outputs)
        gradients, expected_gradients = (
            torch.autograd.grad((value * grad_outputs).sum(), tensors) for value in (outputs, expected_outputs)
        )
        torch.testing.assert_close(gradients, expected_gradients)


@pytest.mark.parametrize("grad", [True, False])
def test_an_lstm_step_equals_torch(grad: bool) -> None:
    torch.manual_seed(0)
    tensors = (
        random(ROWS, INPUT),
        random(ROWS, SIZE),
        random(ROWS, SIZE),
        random(4 * SIZE, INPUT),
        random(4 * SIZE, SIZE),
    )
    inputs, hidden, cell, input_weight, hidden_weight = tensors
    with torch.set_grad_enabled(grad):
        outputs = lstm_step(F.linear(inputs, input_weight) + F.linear(hidden, hidden_weight), cell)
        expected_outputs = torch.lstm_cell(inputs, (hidden, cell), input_weight, hidden_weight)
    torch.testing.assert_close(outputs, expected_outputs)
    if grad:
        grad_outputs = torch.randn(2, ROWS, SIZE, dtype=torch.float64)
        gradients, expected_gradients = (
            torch.autograd.grad((torch.stack(value) * grad_outputs).sum(), tensors)
            for value in (outputs, expected_outputs)
        )
        torch.testing.assert_close(gradients, expected_gradients)


def test_the_last_lstm_step_gets_gradients_only_through_its_output() -> None:
    gates, cell = random(ROWS, 4 * SIZE), random(ROWS, SIZE)
    hidden, _ = lstm_step(gates, cell)
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, 1)
    expected_hidden = (
        output_gate.sigmoid() * (forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.tanh()).tanh()
    )
    gradients, expected_gradients = (
        torch.autograd.grad(value.sum(), (gates, cell)) for value in (hidden, expected_hidden)
    )
    torch.testing.assert_close(gradients, expected_gradients)
