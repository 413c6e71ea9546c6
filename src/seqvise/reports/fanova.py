"""Functional ANOVA of a regression tree: the share of its variance that each parameter explains alone.

F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAF = -1


class Leaf(NamedTuple):
    """A box of the parameter space with one prediction of a tree: levels ``low <= x < high`` of each parameter.

    low, high: (P,).
    """

    value: float
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class Variances(NamedTuple):
    """Variance of a tree over all combinations of levels: the total, and that of each parameter alone (P,)."""

    total: float
    single: NDArray[np.float64]


def marginal_variances(tree: Any, levels: Sequence[int]) -> Variances:
    """The exact variances of a tree's marginal predictions, without enumerating the combinations.

    Parameters are independent and uniform over their levels ``0 .. n - 1``. The marginal of parameter p at level
    a is the mean of the tree over all other parameters: the sum over leaves whose box holds a of their value times the
    share that the box has of the other parameters' levels (algorithm 2 of the paper).

    Args:
        tree: ``tree_`` of a fitted scikit-learn regressor, whose features are level indices.
        levels: number of levels of each parameter, P.
    """
    leaves = list(_leaves(tree, 0, np.zeros(len(levels), np.int64), np.array(levels)))
    values = np.array([leaf.value for leaf in leaves])
    low, high = np.array([leaf.low for leaf in leaves]), np.array([leaf.high for leaf in leaves])
    shares = (high - low) / np.array(levels)  # (L, P)
    weights = shares.prod(axis=1)
    mean = float(values @ weights)
    single = np.zeros(len(levels))
    for parameter, count in enumerate(levels):
        others = np.delete(shares, parameter, axis=1).prod(axis=1)
        level = np.arange(count)[:, None]
        inside = (low[:, parameter] <= level) & (level < high[:, parameter])  # (n, L)
        marginal = inside @ (values * others)
        single[parameter] = float(np.mean((marginal - mean) ** 2))
    return Variances(float((values - mean) ** 2 @ weights), single)


def _leaves(tree: Any, node: int, low: NDArray[np.int64], high: NDArray[np.int64]) -> Iterator[Leaf]:
    if tree.children_left[node] == LEAF:
        yield Leaf(float(np.ravel(tree.value[node])[0]), low, high)
        return
    feature = tree.feature[node]
    # Values up to the threshold go left.
    cut = int(np.clip(np.floor(tree.threshold[node]) + 1, low[feature], high[feature]))
    left, right = high.copy(), low.copy()
    left[feature] = right[feature] = cut
    yield from _leaves(tree, tree.children_left[node], low, left)
    yield from _leaves(tree, tree.children_right[node], right, high)
