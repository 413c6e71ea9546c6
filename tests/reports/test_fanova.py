"""fANOVA's exact marginals against brute force over all combinations."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqvise.reports.fanova import Variances, marginal_variances


def brute_force(predictions: NDArray[np.float64]) -> Variances:
    """predictions: of a tree, one axis per parameter."""
    axes = range(predictions.ndim)
    single = [np.var(predictions.mean(axis=tuple(axis for axis in axes if axis != kept))) for kept in axes]
    return Variances(float(np.var(predictions)), np.array(single))


def test_a_tree_by_hand() -> None:
    # x0 has 4 levels, x1 has 2. The tree predicts 0 if x0 = 0, else 4 if x1 = 0 and 8 if x1 = 1.
    tree = SimpleNamespace(
        children_left=[1, -1, 3, -1, -1],
        children_right=[2, -1, 4, -1, -1],
        feature=[0, -2, 1, -2, -2],
        threshold=[0.5, -2, 0.5, -2, -2],
        value=[[[0.0]], [[0.0]], [[0.0]], [[4.0]], [[8.0]]],
    )
    variances = marginal_variances(tree, [4, 2])
    # The mean is 4.5. x0: marginals 0, 6, 6, 6. x1: marginals 3, 6.
    assert variances.single == pytest.approx([(4.5**2 + 3 * 1.5**2) / 4, 1.5**2])
    assert variances.total == pytest.approx((2 * 4.5**2 + 3 * 0.5**2 + 3 * 3.5**2) / 8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_a_fitted_tree_against_all_combinations(levels: list[int], seed: int, examples: int) -> None:
    trees = pytest.importorskip("sklearn.tree")
    generator = np.random.default_rng(seed)
    indices = np.stack([generator.integers(0, count, examples) for count in levels], axis=1)
    tree = trees.DecisionTreeRegressor(random_state=0).fit(indices, generator.normal(size=examples))
    predictions = tree.predict(list(product(*map(range, levels)))).reshape(levels)
    variances, expected = marginal_variances(tree.tree_, levels), brute_force(predictions)
    assert variances.total == pytest.approx(expected.total, abs=1e-12)
    assert variances.single == pytest.approx(expected.single, abs=1e-12)
    assert variances.single.sum() <= variances.total + 1e-9
