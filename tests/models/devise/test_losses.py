"""Losses against values computed by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.models.devise import losses

TABLE = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
# Each has length 5 and cosines .6, .8 and -.6 with the table.
OUTPUTS = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
LABELS = torch.tensor([0, 1])


def test_cosine_by_hand() -> None:
    assert float(losses.cosine(OUTPUTS, LABELS, TABLE)) == pytest.approx((0.4 + 0.2) / 2)


def test_hinge_by_hand() -> None:
    # Label 0: .1 - .6 + .8 = .3, and 0 for the third. Label 1: .1 - .8 + .6 is below 0.
    assert float(losses.hinge(OUTPUTS, LABELS, TABLE)) == pytest.approx(0.3 / 2)
    # With margin 1.3 the third contributes too: label 0 has 1.5 + .1, label 1 has 1.1, and 1.3 - .8 - .6 < 0.
    assert float(losses.hinge(OUTPUTS, LABELS, TABLE, margin=1.3)) == pytest.approx((1.5 + 0.1 + 1.1) / 2)


def test_the_first_violation_is_drawn_uniformly() -> None:
    torch.manual_seed(0)
    counts = Counter(
        round(float(losses.hinge_first(OUTPUTS[:1], LABELS[:1], TABLE, margin=1.3)), 4) for _ in range(400)
    )
    assert set(counts) == {1.5, 0.1}
    assert counts[1.5] == pytest.approx(200, abs=50)
    assert float(losses.hinge_first(OUTPUTS[1:], LABELS[1:], TABLE)) == 0


def test_contrastive_by_hand() -> None:
    weights = [math.exp(value / 0.5) for value in (0.6, 0.8, -0.6)]
    by_hand = [-math.log(weights[label] / sum(weights)) for label in (0, 1)]
    assert float(losses.contrastive(OUTPUTS, LABELS, TABLE, 0.5)) == pytest.approx(sum(by_hand) / 2, rel=1e-5)


def test_l1_and_mse_by_hand() -> None:
    # Differences: (2, 4) and (3, 3).
    assert float(losses.l1(OUTPUTS, LABELS, TABLE)) == pytest.approx((2 + 4 + 3 + 3) / 4)
    assert float(losses.mse(OUTPUTS, LABELS, TABLE)) == pytest.approx((4 + 16 + 9 + 9) / 4)


@settings(deadline=None)
@given(st.floats(0.1, 100), st.integers(0, 1000))
def test_only_directions_matter(length: float, seed: int) -> None:
    torch.manual_seed(seed)
    outputs, labels = torch.randn(4, 2), torch.randint(3, (4,))
    for loss in (losses.cosine, losses.hinge, losses.contrastive):
        torch.testing.assert_close(
            loss(outputs * length, labels, TABLE), loss(outputs, labels, TABLE), rtol=1e-3, atol=1e-4
        )


def test_the_true_label_does_not_violate_the_margin() -> None:
    outputs = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = losses.hinge(outputs, torch.tensor([0]), TABLE)
    loss.backward()
    assert float(loss) == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()
