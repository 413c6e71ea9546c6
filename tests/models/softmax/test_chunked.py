"""The chunked cross entropy against torch's over the full logits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.chunked import linear_cross_entropy, linear_scores


def inputs(rows: int, vocab_size: int, size: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, size, generator=generator).requires_grad_()
    weight = torch.randn(vocab_size, size, generator=generator).requires_grad_()
    bias = torch.randn(vocab_size, generator=generator).requires_grad_()
    return outputs, weight, bias, torch.randint(0, vocab_size, (rows,), generator=generator)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 30), st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.7]), st.integers(0, 99))
def test_values_and_gradients_equal_torch(rows: int, vocab_size: int, chunk: int, smoothing: float, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, vocab_size, 6, seed)
    loss = linear_cross_entropy(outputs, weight, bias, targets, smoothing, chunk)
    expected_loss = F.cross_entropy(
        F.linear(outputs, weight, bias), targets, reduction="sum", label_smoothing=smoothing
    )
    torch.testing.assert_close(loss, expected_loss, rtol=1e-4, atol=1e-4)
    expected_gradients = torch.autograd.grad(expected_loss * 0.3, (outputs, weight, bias))
    for gradient, expected_gradient in zip(
        torch.autograd.grad(loss * 0.3, (outputs, weight, bias)), expected_gradients, strict=True
    ):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4)


def test_a_loss_by_hand() -> None:
    # Logits 0 and log 3 give probabilities 1/4 and 3/4.
    outputs, weight = torch.ones(1, 1), torch.tensor([[0.0], [3.0]]).log().clamp_min(0)
    loss = linear_cross_entropy(outputs, weight, torch.zeros(2), torch.tensor([0]))
    torch.testing.assert_close(loss, torch.tensor(4.0).log())


def test_no_rows_have_loss_0() -> None:
    outputs, weight, bias, targets = inputs(0, 5, 3, 0)
    loss = linear_cross_entropy(outputs, weight, bias, targets)
    loss.backward()
    assert loss.item() == 0
    assert weight.grad is not None
    assert not weight.grad.any()


def test_bfloat16_products_are_close_to_the_exact_loss() -> None:
    outputs, weight, bias, targets = inputs(300, 500, 32, 1)
    exact = linear_cross_entropy(outputs, weight, bias, targets)
    approximate = linear_cross_entropy(outputs, weight, bias, targets, dtype=torch.bfloat16)
    assert abs(approximate.item() / exact.item() - 1) < 2e-3
    for gradient, expected in zip(
        torch.autograd.grad(approximate, (outputs, weight, bias)),
        torch.autograd.grad(exact, (outputs, weight, bias)),
        strict=True,
    ):
        assert F.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.999


def test_no_chunk_exceeds_its_size() -> None:
    outputs, weight, bias, targets = inputs(1000, 400, 8, 2)
    with torch.profiler.profile(profile_memory=True, record_shapes=True) as profile:
        linear_cross_entropy(outputs, weight, bias, targets, chunk=64).backward()
    shapes = [shape for event in profile.events() for shape in event.input_shapes if shape and len(shape) == 2]
    assert max(rows for rows, columns in shapes if columns == 400) == 64


@pytest.mark.parametrize("chunk", [3, 100])
def test_scores_equal_those_of_the_full_projection(chunk: int) -> None:
    torch.manual_seed(0)
    outputs, weight, bias = torch.randn(10, 4), torch.randn(7, 4), torch.randn(7)
    targets = torch.randint(7, (10,))
    logits = outputs @ weight.t() + bias
    loss, correct = linear_scores(outputs, weight, bias, targets, chunk)
    assert float(loss) == pytest.approx(float(F.cross_entropy(logits, targets, reduction="sum")), rel=1e-5)
    assert int(correct) == int((logits.argmax(1) == targets).sum()) > 0
