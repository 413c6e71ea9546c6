"""Penalties by hand."""

import math

import pytest
import torch

from seqvise.decoding.constraints import coverage_penalty, length_penalty
from seqvise.decoding.options import DecodingOptions


@pytest.mark.parametrize(
    ("kind", "alpha", "value"),
    [("average", 1.0, 7.0), ("average", 0.5, 7**0.5), ("gnmt", 1.0, 2.0), ("gnmt", 0.6, 2**0.6), ("none", 1.0, 1.0)],
)
def test_a_hypothesis_of_seven_words_is_divided_by(kind: str, alpha: float, value: float) -> None:
    options = DecodingOptions(length_penalty=kind, alpha=alpha)
    assert float(length_penalty(torch.tensor(7), options)) == pytest.approx(value)


def test_source_words_with_little_attention_cost() -> None:
    coverage = torch.tensor([[0.5, 2.0, 0.25, 0.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert float(coverage_penalty(coverage, mask, 0.2)) == pytest.approx(0.2 * (math.log(0.5) + math.log(0.25)))
    assert float(coverage_penalty(torch.ones(1, 4), mask, 0.2)) == 0.0
    assert math.isfinite(float(coverage_penalty(torch.zeros(1, 4), mask, 0.2)))
