"""The cut vocabulary's loss, gradients and scores against its whole distribution."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from seqvise.models.softmax.adaptive import AdaptiveGenerator

WORDS, SIZE = 23, 5


def generator(cuts: list[int], seed: int, weight: Tensor | None = None) -> AdaptiveGenerator:
    torch.manual_seed(seed)
    made = AdaptiveGenerator(WORDS, SIZE, cuts, weight)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def test_by_hand() -> None:
    made = AdaptiveGenerator(4, 1, [1])
    for parameter in made.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        made.bias[3] = torch.tensor(2.0).log()
    # The one word of the head and the cluster have a half each; in the cluster the last word counts twice.
    found = made(torch.ones(1, 1)).exp()
    torch.testing.assert_close(found, torch.tensor([[1 / 2, 1 / 8, 1 / 8, 1 / 4]]))


cut = st.lists(st.integers(1, WORDS - 1), min_size=1, max_size=4, unique=True).map(sorted)


@given(cut, st.integers(0, 40), st.integers(1, 9), st.integers(0, 999))
def test_loss_gradients_and_scores_are_those_of_the_whole_distribution(
    cuts: list[int], rows: int, chunk: int, seed: int
) -> None:
    made = generator(cuts, seed)
    outputs = torch.randn(rows, SIZE).requires_grad_()
    targets = torch.randint(0, WORDS, (rows,))
    whole = made(outputs)
    torch.testing.assert_close(whole.exp().sum(1), torch.ones(rows))
    plain = F.nll_loss(whole, targets, reduction="sum") if rows else whole.sum()
    mine = made.loss(outputs, targets, 0.0, chunk, torch.float32)
    torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)
    weights = [outputs, *made.parameters()]
    expected = torch.autograd.grad(plain * 0.3, weights)
    for got, wanted in zip(torch.autograd.grad(mine * 0.3, weights), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    loss, right = made.scores(outputs, targets, chunk, torch.float32)
    torch.testing.assert_close(loss, plain.detach(), rtol=1e-4, atol=1e-4)
    assert right == (whole.argmax(1) == targets).sum()


def test_it_shares_the_embeddings_weight_and_refuses_what_it_cannot_do() -> None:
    embedding = torch.nn.Embedding(WORDS, SIZE)
    made = generator([4, 9], 0, embedding.weight)
    made.loss(torch.randn(3, SIZE), torch.tensor([1, 5, 20]), 0.0, 8, torch.float32).backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[[1, 5, 20]].any(1).all()
    with pytest.raises(ValueError, match="cannot be cut at 4, 23"):
        AdaptiveGenerator(WORDS, SIZE, [4, WORDS])
    with pytest.raises(ValueError, match="neither smooths labels"):
        made.loss(torch.randn(3, SIZE), torch.tensor([1, 5, 20]), 0.1, 8, torch.float32)
