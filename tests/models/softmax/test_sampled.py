"""Sampled softmax: sampling probabilities, the mean of the estimate, and zero gradients of words not sampled."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.generator import Generator
from seqvise.models.softmax.sampled import _sampling_probabilities, sampled_cross_entropy

CPU = torch.device("cpu")


def inputs(rows: int, vocab_size: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, 4, generator=generator).requires_grad_()
    weight = torch.randn(vocab_size, 4, generator=generator).requires_grad_()
    bias = torch.randn(vocab_size, generator=generator).requires_grad_()
    return outputs, weight, bias, torch.randint(0, vocab_size, (rows,), generator=generator)


def test_sampling_probabilities_by_hand() -> None:
    # f = 1.2: 1 + 0.6 + 0.4 = 2.
    torch.testing.assert_close(_sampling_probabilities(3, 2, CPU), torch.tensor([1.0, 0.6, 0.4]))


@given(st.integers(2, 3000), st.data())
def test_sampling_probabilities_add_up_and_fall_with_rank(vocab_size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, vocab_size - 1))
    probabilities = _sampling_probabilities(vocab_size, count, CPU)
    assert probabilities.double().sum().item() == pytest.approx(count, rel=1e-4)
    assert (probabilities.diff() <= 0).all()
    assert 0 < probabilities.min() <= probabilities.max() <= 1


def test_the_estimate_of_the_partition_function_is_unbiased() -> None:
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
def test_with_all_words_the_loss_is_exact(rows: int, vocab_size: int, extra: int, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, vocab_size, seed)
    loss = sampled_cross_entropy(outputs, weight, bias, targets, vocab_size + extra)
    expected = F.cross_entropy(F.linear(outputs, weight, bias), targets, reduction="sum") if rows else 0 * outputs.sum()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(5, 40), st.integers(1, 4), st.integers(0, 99))
def test_gradients_equal_those_of_the_estimate(rows: int, vocab_size: int, count: int, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, vocab_size, seed)
    torch.manual_seed(seed)
    loss = sampled_cross_entropy(outputs, weight, bias, targets, count, chunk=5)
    torch.manual_seed(seed)
    probabilities = _sampling_probabilities(vocab_size, count, CPU).index_fill(0, targets, 1.0)
    is_sampled = torch.rand(vocab_size) < probabilities
    logits = (F.linear(outputs, weight, bias) - probabilities.log()).masked_fill(~is_sampled, -torch.inf)
    expected_loss = F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(loss, expected_loss, rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad(loss, (outputs, weight, bias))
    for gradient, expected in zip(gradients, torch.autograd.grad(expected_loss, (outputs, weight, bias)), strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
    assert not gradients[1][~is_sampled].any()


def test_a_generator_samples_if_a_number_is_set() -> None:
    outputs, weight, bias, targets = inputs(9, 40, 5)
    generator = Generator(40, 4)
    with torch.no_grad():
        generator.weight.copy_(weight)
        generator.bias.copy_(bias)
    torch.manual_seed(0)
    loss = generator.loss(outputs, targets, 0.0, 5, torch.float32, 3)
    torch.manual_seed(0)
    torch.testing.assert_close(loss, sampled_cross_entropy(outputs, weight, bias, targets, 3))
    assert loss != generator.loss(outputs, targets, 0.0, 5, torch.float32)
