"""Adaptive softmax: loss, gradients and scores against the full distribution."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.adaptive import AdaptiveGenerator

VOCAB_SIZE, SIZE = 23, 5


def generator(cuts: list[int], seed: int, weight: Tensor | None = None) -> AdaptiveGenerator:
    torch.manual_seed(seed)
    module = AdaptiveGenerator(VOCAB_SIZE, SIZE, cuts, weight)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def test_by_hand() -> None:
    module = AdaptiveGenerator(4, 1, [1])
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        module.bias[3] = torch.tensor(2.0).log()
    # The only word of the head and the cluster have probability 1/2 each; in the cluster the last word counts twice.
    probabilities = module(torch.ones(1, 1)).exp()
    torch.testing.assert_close(probabilities, torch.tensor([[1 / 2, 1 / 8, 1 / 8, 1 / 4]]))


cut = st.lists(st.integers(1, VOCAB_SIZE - 1), min_size=1, max_size=4, unique=True).map(sorted)


@given(cut, st.integers(0, 40), st.integers(1, 9), st.integers(0, 999))
def test_loss_gradients_and_scores_equal_those_of_the_full_distribution(
    cuts: list[int], rows: int, chunk: int, seed: int
) -> None:
    module = generator(cuts, seed)
    outputs = torch.randn(rows, SIZE).requires_grad_()
    targets = torch.randint(0, VOCAB_SIZE, (rows,))
    log_probs = module(outputs)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(rows))
    expected_loss = F.nll_loss(log_probs, targets, reduction="sum") if rows else log_probs.sum()
    loss = module.loss(outputs, targets, 0.0, chunk, torch.float32)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-4, atol=1e-4)
    weights = [outputs, *module.parameters()]
    expected_gradients = torch.autograd.grad(expected_loss * 0.3, weights)
    for gradient, expected_gradient in zip(torch.autograd.grad(loss * 0.3, weights), expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4)
    summed_loss, correct = module.scores(outputs, targets, chunk, torch.float32)
    torch.testing.assert_close(summed_loss, expected_loss.detach(), rtol=1e-4, atol=1e-4)
    assert correct == (log_probs.argmax(1) == targets).sum()


def test_the_weight_can_be_shared_and_unsupported_settings_are_refused() -> None:
    embedding = torch.nn.Embedding(VOCAB_SIZE, SIZE)
    module = generator([4, 9], 0, embedding.weight)
    module.loss(torch.randn(3, SIZE), torch.tensor([1, 5, 20]), 0.0, 8, torch.float32).backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[[1, 5, 20]].any(1).all()
    with pytest.raises(
        ValueError, match=r"model.adaptive is \[4, 23\], but must ascend between 0 and the vocabulary size \(23\)"
    ):
        AdaptiveGenerator(VOCAB_SIZE, SIZE, [4, VOCAB_SIZE])
    with pytest.raises(ValueError, match="does not support label smoothing"):
        module.loss(torch.randn(3, SIZE), torch.tensor([1, 5, 20]), 0.1, 8, torch.float32)
