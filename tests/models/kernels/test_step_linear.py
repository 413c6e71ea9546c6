"""Products step by step against the library's linear map."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seqvise.models.kernels.step_linear import StepLinear, plain_product, products_for

STEPS, ROWS = 3, 4


@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_those_of_linear_maps(biased: bool) -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, requires_grad=True) if biased else None
    inputs = torch.randn(STEPS, ROWS, 2, dtype=torch.float64, requires_grad=True)
    seen = torch.randn(STEPS, ROWS, 5, dtype=torch.float64)
    product = StepLinear(weight, bias, STEPS + 2, ROWS)  # room for more steps than are taken
    mine, plain = torch.stack([product(step) for step in inputs]), F.linear(inputs, weight, bias)
    torch.testing.assert_close(mine, plain)
    wanted = [inputs, weight, *([bias] if bias is not None else [])]
    found, expected = (torch.autograd.grad((value * seen).sum(), wanted) for value in (mine, plain))
    torch.testing.assert_close(found, expected)


def test_a_product_that_is_never_taken_has_no_gradient() -> None:
    weight = torch.randn(5, 2, requires_grad=True)
    StepLinear(weight, None, STEPS, ROWS)
    other = weight.sum()
    other.backward()
    assert torch.equal(weight.grad, torch.ones(5, 2))  # type: ignore[arg-type]


def test_without_gradients_and_under_autocast_the_librarys_is_taken() -> None:
    cpu = torch.device("cpu")
    assert products_for(STEPS, ROWS, cpu) is not plain_product
    with torch.no_grad():
        assert products_for(STEPS, ROWS, cpu) is plain_product
    with torch.autocast("cpu", torch.bfloat16):
        assert products_for(STEPS, ROWS, cpu) is plain_product
