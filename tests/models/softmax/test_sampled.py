"""The sampled cross entropy: its chances, what it is on average, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.generator import Generator
from seqvise.models.softmax.sampled import _chances, sampled_cross_entropy

CPU = torch.device("cpu")


def inputs(rows: int, words: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, 4, generator=generator).requires_grad_()
    weight = torch.randn(words, 4, generator=generator).requires_grad_()
    bias = torch.randn(words, generator=generator).requires_grad_()
    return outputs, weight, bias, torch.randint(0, words, (rows,), generator=generator)


def test_chances_by_hand() -> None:
    # f = 1.2: 1 + 0.6 + 0.4 = 2.
    torch.testing.assert_close(_chances(3, 2, CPU), torch.tensor([1.0, 0.6, 0.4]))


@given(st.integers(2, 3000), st.data())
def test_chances_add_up_and_fall_with_rank(words: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, words - 1))
    chances = _chances(words, count, CPU)
    assert chances.double().sum().item() == pytest.approx(count, rel=1e-4)
    assert (chances.diff() <= 0).all()
    assert 0 < chances.min() <= chances.max() <= 1


def test_the_partition_function_is_right_on_average() -> None:
    outputs, weight, bias, _ = inputs(1, 30, 3)
    target = torch.tensor([17])
    exact = F.linear(outputs, weight, bias).exp().sum().item()
    score = F.linear(outputs, weight, bias)[0, 17].item()
    torch.manual_seed(0)
    sums = torch.tensor(
        [sampled_cross_entropy(outputs, weight, bias, target, 8).add(score).exp().item() for _ in range(4000)]
    )
    error = sums.std().item() / len(sums) ** 0.5
    assert abs(sums.mean().item() - exact) < 4 * error
    assert error < 0.02 * exact


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(2, 30), st.integers(0, 10), st.integers(0, 99))
def test_with_all_words_it_is_the_whole_softmax(rows: int, words: int, more: int, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, words, seed)
    mine = sampled_cross_entropy(outputs, weight, bias, targets, words + more)
    plain = F.cross_entropy(F.linear(outputs, weight, bias), targets, reduction="sum") if rows else 0 * outputs.sum()
    torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(5, 40), st.integers(1, 4), st.integers(0, 99))
def test_gradients_are_those_of_the_estimate(rows: int, words: int, count: int, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, words, seed)
    torch.manual_seed(seed)
    mine = sampled_cross_entropy(outputs, weight, bias, targets, count, chunk=5)
    torch.manual_seed(seed)
    chances = _chances(words, count, CPU).index_fill(0, targets, 1.0)
    drawn = torch.rand(words) < chances
    scores = (F.linear(outputs, weight, bias) - chances.log()).masked_fill(~drawn, -torch.inf)
    plain = F.cross_entropy(scores, targets, reduction="sum")
    torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)
    found = torch.autograd.grad(mine, (outputs, weight, bias))
    for got, wanted in zip(found, torch.autograd.grad(plain, (outputs, weight, bias)), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    assert not found[1][~drawn].any()


def test_a_generator_samples_where_asked() -> None:
    outputs, weight, bias, targets = inputs(9, 40, 5)
    generator = Generator(40, 4)
    with torch.no_grad():
        generator.weight.copy_(weight)
        generator.bias.copy_(bias)
    torch.manual_seed(0)
    mine = generator.loss(outputs, targets, 0.0, 5, torch.float32, 3)
    torch.manual_seed(0)
    torch.testing.assert_close(mine, sampled_cross_entropy(outputs, weight, bias, targets, 3))
    assert mine != generator.loss(outputs, targets, 0.0, 5, torch.float32)
