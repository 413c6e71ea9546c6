"""The written-out backward passes against autograd over single steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from seqvise.models.layers import LAYERS, last_real, reverse
from seqvise.models.scan import gru_scan, gru_step, lstm_scan, lstm_step

STEPS, ROWS, SIZE = 5, 3, 4


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def looped(step: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]], gates: Tensor, *state: Tensor) -> Tensor:
    outputs = []
    for t in range(len(gates)):
        state = step(gates[t], state)
        outputs.append(state[0])
    return torch.stack(outputs)


def gru_loop(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return looped(lambda g, s: (gru_step(g, s[0], weight, bias),), gates, hidden)


def lstm_loop(gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return looped(lambda g, s: lstm_step(g, s[0], s[1], weight, bias), gates, hidden, cell)


@pytest.mark.parametrize(
    ("scan", "loop", "parts", "states"), [(gru_scan, gru_loop, 3, 1), (lstm_scan, lstm_loop, 4, 2)]
)
def test_a_scan_has_the_values_and_gradients_of_a_loop(
    scan: Callable[..., Tensor], loop: Callable[..., Tensor], parts: int, states: int
) -> None:
    torch.manual_seed(0)
    inputs = [random(STEPS, ROWS, parts * SIZE), *[random(ROWS, SIZE) for _ in range(states)]]
    inputs += [random(parts * SIZE, SIZE), random(parts * SIZE)]
    seen = torch.randn(STEPS, ROWS, SIZE, dtype=torch.float64)
    mine, plain = scan(*inputs), loop(*inputs)
    torch.testing.assert_close(mine, plain)
    for got, expected in zip(
        torch.autograd.grad((mine * seen).sum(), inputs), torch.autograd.grad((plain * seen).sum(), inputs), strict=True
    ):
        torch.testing.assert_close(got, expected)


def test_a_gru_step_by_hand() -> None:
    # One unit: r = z = sigmoid(0) = 1/2; n = tanh(1 + 1/2 * (2 * 0.5)) = tanh(1.5); h' = n / 2 + 0.5 / 2.
    gates, hidden = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5]])
    weight = torch.tensor([[0.0], [0.0], [2.0]])
    expected = torch.tanh(torch.tensor(1.5)) / 2 + 0.25
    torch.testing.assert_close(gru_step(gates, hidden, weight, torch.zeros(3))[0, 0], expected)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_layer_runs_and_steps_like_the_library(cell: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[cell](5, 4)
    inputs, state = torch.randn(3, 6, 5), layer.start(torch.randn(3, 4))
    given = state[0].unsqueeze(0) if cell == "gru" else (state[0].unsqueeze(0), state[1].unsqueeze(0))
    expected = layer(inputs, given)[0]
    torch.testing.assert_close(layer.run(inputs, state), expected)
    for t in range(6):
        state = layer.step(layer.gates(inputs[:, t]), state)
        torch.testing.assert_close(state[0], expected[:, t])


def test_reverse_leaves_padding_in_its_place() -> None:
    sequence, lengths = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]), torch.tensor([3, 4])
    assert reverse(sequence, lengths).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]
    assert last_real(sequence, lengths).tolist() == [3, 7]
