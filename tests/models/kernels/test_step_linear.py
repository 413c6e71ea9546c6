"""Products inside a loop against torch's linear map."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seqvise.models.kernels.step_linear import StepLinear, plain_product, products_for

STEPS, ROWS = 3, 4


@pytest.mark.parametrize("has_bias", [True, False])
def test_values_and_gradients_equal_those_of_linear_maps(has_bias: bool) -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, requires_grad=True) if has_bias else None
    inputs = torch.randn(STEPS, ROWS, 2, dtype=torch.float64, requires_grad=True)
    grad_outputs = torch.randn(STEPS, ROWS, 5, dtype=torch.float64)
    product = StepLinear(weight, bias, STEPS + 2, ROWS)  # more slots than steps
    outputs, expected_outputs = torch.stack([product(step) for step in inputs]), F.linear(inputs, weight, bias)
    torch.testing.assert_close(outputs, expected_outputs)
    differentiable = [inputs, weight, *([bias] if bias is not None else [])]
    gradients, expected_gradients = (
        torch.autograd.grad((value * grad_outputs).sum(), differentiable) for value in (outputs, expected_outputs)
    )
    torch.testing.assert_close(gradients, expected_gradients)


def test_an_unused_product_has_no_gradient() -> None:
    weight = torch.randn(5, 2, requires_grad=True)
    StepLinear(weight, None, STEPS, ROWS)
    other = weight.sum()
    other.backward()
    assert torch.equal(weight.grad, torch.ones(5, 2))  # type: ignore[arg-type]


def test_without_gradients_and_under_autocast_plain_products_are_used() -> None:
    cpu = torch.device("cpu")
    assert products_for(STEPS, ROWS, cpu) is not plain_product
    with torch.no_grad():
        assert products_for(STEPS, ROWS, cpu) is plain_product
    with torch.autocast("cpu", torch.bfloat16):
        assert products_for(STEPS, ROWS, cpu) is plain_product
