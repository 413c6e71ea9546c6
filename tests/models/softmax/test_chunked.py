"""The chunked cross entropy against the library's over whole logits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.chunked import linear_cross_entropy, linear_scores


def inputs(rows: int, words: int, size: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, size, generator=generator).requires_grad_()
    weight = torch.randn(words, size, generator=generator).requires_grad_()
    bias = torch.randn(words, generator=generator).requires_grad_()
    return outputs, weight, bias, torch.randint(0, words, (rows,), generator=generator)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 30), st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.7]), st.integers(0, 99))
def test_values_and_gradients_are_the_librarys(rows: int, words: int, chunk: int, smoothing: float, seed: int) -> None:
    outputs, weight, bias, targets = inputs(rows, words, 6, seed)
    mine = linear_cross_entropy(outputs, weight, bias, targets, smoothing, chunk)
    plain = F.cross_entropy(F.linear(outputs, weight, bias), targets, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)
    expected = torch.autograd.grad(plain * 0.3, (outputs, weight, bias))
    for got, wanted in zip(torch.autograd.grad(mine * 0.3, (outputs, weight, bias)), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_loss_by_hand() -> None:
    # Scores 0 and log 3 give chances 1/4 and 3/4.
    outputs, weight = torch.ones(1, 1), torch.tensor([[0.0], [3.0]]).log().clamp_min(0)
    loss = linear_cross_entropy(outputs, weight, torch.zeros(2), torch.tensor([0]))
    torch.testing.assert_close(loss, torch.tensor(4.0).log())


def test_no_rows_cost_nothing() -> None:
    outputs, weight, bias, targets = inputs(0, 5, 3, 0)
    loss = linear_cross_entropy(outputs, weight, bias, targets)
    loss.backward()
    assert loss.item() == 0
    assert weight.grad is not None
    assert not weight.grad.any()


def test_bfloat16_products_stay_near_the_exact_loss() -> None:
    outputs, weight, bias, targets = inputs(300, 500, 32, 1)
    exact = linear_cross_entropy(outputs, weight, bias, targets)
    near = linear_cross_entropy(outputs, weight, bias, targets, dtype=torch.bfloat16)
    assert abs(near.item() / exact.item() - 1) < 2e-3
    for got, wanted in zip(
        torch.autograd.grad(near, (outputs, weight, bias)),
        torch.autograd.grad(exact, (outputs, weight, bias)),
        strict=True,
    ):
        assert F.cosine_similarity(got.flatten(), wanted.flatten(), dim=0) > 0.999


def test_no_chunk_is_larger_than_asked() -> None:
    outputs, weight, bias, targets = inputs(1000, 400, 8, 2)
    with torch.profiler.profile(profile_memory=True, record_shapes=True) as profile:
        linear_cross_entropy(outputs, weight, bias, targets, chunk=64).backward()
    shapes = [shape for event in profile.events() for shape in event.input_shapes if shape and len(shape) == 2]
    assert max(rows for rows, columns in shapes if columns == 400) == 64


@pytest.mark.parametrize("chunk", [3, 100])
def test_scores_are_those_of_the_whole_projection(chunk: int) -> None:
    torch.manual_seed(0)
    outputs, weight, bias = torch.randn(10, 4), torch.randn(7, 4), torch.randn(7)
    targets = torch.randint(7, (10,))
    scores = outputs @ weight.t() + bias
    loss, right = linear_scores(outputs, weight, bias, targets, chunk)
    assert float(loss) == pytest.approx(float(F.cross_entropy(scores, targets, reduction="sum")), rel=1e-5)
    assert int(right) == int((scores.argmax(1) == targets).sum()) > 0
