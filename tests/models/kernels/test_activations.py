"""The fast tanh against torch.tanh."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.kernels.cells import tanh, tanh_

VALUES = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([0.0, 1e-6, -1e-6, 60.0, -90.0, 1e30, -1e30])])


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_values_are_within_2e_7_of_tanh(value: float) -> None:
    inputs = torch.tensor([value])
    expected = torch.tanh(inputs.double())
    assert (tanh(inputs).double() - expected).abs() <= 2e-7
    assert (tanh_(inputs.clone()).double() - expected).abs() <= 2e-7


def test_infinities_and_nan() -> None:
    assert tanh(torch.tensor([torch.inf, -torch.inf])).tolist() == [1.0, -1.0]
    assert tanh(torch.tensor([torch.nan])).isnan().all()


def test_the_gradient_is_that_of_tanh() -> None:
    values = VALUES.clone().requires_grad_()
    weights = torch.linspace(-2, 2, len(VALUES))
    (gradient,) = torch.autograd.grad((tanh(values) * weights).sum(), values)
    precise = VALUES.double()
    torch.testing.assert_close(gradient.double(), weights.double() * (1 - torch.tanh(precise) ** 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_in_other_dtypes_it_is_torch_tanh(dtype: torch.dtype) -> None:
    values = VALUES.to(dtype)
    assert torch.equal(tanh(values), torch.tanh(values))
    assert torch.equal(tanh_(values.clone()), torch.tanh(values))


def test_only_the_in_place_version_changes_its_input() -> None:
    values = VALUES.clone()
    tanh(values)
    assert torch.equal(values, VALUES)
    assert tanh_(values) is values
