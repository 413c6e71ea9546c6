"""Adam over the rows that have a gradient."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqvise.models.options import RecurrentOptions
from seqvise.models.recurrent import Recurrent
from seqvise.tasks.lazy_adam import LazyAdam
from seqvise.tasks.optimizers import build_optimizer
from seqvise.tasks.options import OptimizerOptions

ADAM: dict[str, Any] = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6}


def lazy(weights: list[nn.Parameter], **more: float | bool) -> LazyAdam:
    return LazyAdam([{"params": weights}], weights, **ADAM, **more)


def gradients(steps: int, words: int, met: int) -> list[tuple[Tensor, Tensor]]:
    """For each step the rows that have a gradient, and their gradient of width 3."""
    torch.manual_seed(1)
    return [(torch.randperm(words)[:met].sort().values, torch.randn(met, 3)) for _ in range(steps)]


def dense(rows: Tensor, values: Tensor, words: int) -> Tensor:
    return torch.zeros(words, 3).index_copy(0, rows, values)


@pytest.mark.parametrize("fused", [False, True])
def test_it_is_sparse_adam_of_the_same_gradients(fused: bool) -> None:
    start = torch.randn(7, 3)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer, sparse = lazy([ours], fused=fused), torch.optim.SparseAdam([theirs], **ADAM)
    for rows, values in gradients(12, 7, 2):
        ours.grad = dense(rows, values, 7)
        theirs.grad = torch.sparse_coo_tensor(rows[None], values, (7, 3))
        optimizer.step()
        sparse.step()
        torch.testing.assert_close(ours.detach(), theirs.detach())


def test_where_every_row_has_a_gradient_it_is_adam() -> None:
    start = torch.randn(7, 3)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer, adam = lazy([ours]), torch.optim.Adam([theirs], **ADAM)
    for rows, values in gradients(4, 7, 7):
        ours.grad = theirs.grad = dense(rows, values, 7)
        optimizer.step()
        adam.step()
    assert torch.equal(ours, theirs)


def test_a_first_step_by_hand() -> None:
    # The corrected averages are g and g²: a first step is lr · g / (|g| + eps), with g = slope + decay · weight.
    weight = nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
    optimizer = lazy([weight], weight_decay=0.5)
    weight.grad = torch.tensor([[0.5, 0.0], [0.0, 0.0]])
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([[0.99, -1.99], [3.0, 4.0]]), atol=1e-6, rtol=0)


def test_other_rows_stay_and_so_do_their_averages() -> None:
    weight, bias = nn.Parameter(torch.randn(5, 3)), nn.Parameter(torch.zeros(3))
    optimizer = lazy([weight, bias])
    for rows in ([0, 1], [1, 4]):
        before = weight.detach().clone(), copy.deepcopy(optimizer.state[weight])
        weight.grad, bias.grad = dense(torch.tensor(rows), torch.ones(2, 3), 5), torch.zeros(3)
        bias.grad[0] = 1.0
        kept = weight.grad
        optimizer.step()
        assert weight.grad is kept  # as after any optimizer's step
        others = [row for row in range(5) if row not in rows]
        assert torch.equal(weight[others], before[0][others])
        assert (weight[rows] != before[0][rows]).all()
        if before[1]:
            assert torch.equal(optimizer.state[weight]["exp_avg"][others], before[1]["exp_avg"][others])
    assert bias[0] != 0  # of one dimension, Adam's


def test_a_state_goes_on_where_it_was_saved() -> None:
    steps = gradients(8, 6, 2)
    whole, halved = nn.Parameter(torch.ones(6, 3)), nn.Parameter(torch.ones(6, 3))
    optimizers = [lazy([whole], fused=True), lazy([halved], fused=True)]
    for place, (rows, values) in enumerate(steps):
        if place == 4:
            saved = copy.deepcopy(optimizers[1].state_dict())
            optimizers[1] = lazy([halved], fused=True)
            optimizers[1].load_state_dict(saved)
        for weight, optimizer in zip((whole, halved), optimizers, strict=True):
            weight.grad = dense(rows, values, 6)
            optimizer.step()
    assert torch.equal(whole, halved)


def test_what_has_no_gradient_is_left_and_a_closure_called() -> None:
    weight = nn.Parameter(torch.ones(4, 3))
    optimizer = lazy([weight])
    assert optimizer.step() is None
    assert torch.equal(weight, torch.ones(4, 3))

    def closure() -> float:
        loss = weight[1].sum()
        loss.backward()
        return float(loss)

    assert optimizer.step(closure) == 3
    assert [bool(changed) for changed in (weight != 1).any(1)] == [False, True, False, False]


def test_word_vectors_are_what_is_looked_at() -> None:
    model = Recurrent(RecurrentOptions(embedding=4, encoder_hidden=3, decoder_hidden=4, tie_output=False), 9, 8)
    optimizer = build_optimizer(model, OptimizerOptions(name="lazy_adam"))
    assert isinstance(optimizer, LazyAdam)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
        weight.grad[0] = 1.0
    optimizer.step()
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
        weight.grad[1] = 1.0
    first = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer.step()
    for name, weight in model.named_parameters():
        moved = not torch.equal(weight[0], first[name][0])  # by the average of the step before
        assert moved == ("embedding" not in name), name
        assert not torch.equal(first[name][0], before[name][0]), name
