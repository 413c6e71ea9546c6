"""Importance of hyperparameters, and whether the estimate is reliable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqvise.reports.differences import ordered
from seqvise.reports.fanova import marginal_variances
from seqvise.reports.report import SweepReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSTALL = "Importance of hyperparameters needs scikit-learn, which is not installed: `pip install 'seqvise[report]'`."
MIN_CONFIGURATIONS = 8
"""Minimum number of configurations for a forest that can be validated."""
MIN_R2, RELIABLE_R2 = 0.3, 0.7
"""Out-of-bag R² below which importances mean nothing, and below which they are only a rough guide."""
TREES = 500


class Share(NamedTuple):
    """A share of the variance, its mean and its standard deviation over trees."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Importance:
    """Importance of the hyperparameters by a random forest.

    Attributes:
        verdict: whether the estimate is reliable, or why there is none.
        parameters: share of each by impurity and by fANOVA, the largest fANOVA share first; may be empty.
        together: fANOVA share of interactions, which no parameter explains alone.
        score: out-of-bag R² of the forest.
    """

    verdict: str
    parameters: Mapping[str, tuple[Share, Share]] = field(default_factory=dict)
    together: float = math.nan
    score: float = math.nan


def importance(report: SweepReport) -> Importance:
    """The importance of each differing key for the first metric.

    The forest is fitted to means over seeds, one example per configuration. Trees therefore never see a configuration
    that is out of bag, not even with another seed.
    """
    rows = [row for row in report.rows if math.isfinite(row.best.mean)]
    names = report.differing.parameters
    if rows and not names:
        return Importance("Importance of hyperparameters: no key but seeds differs.")
    if len(rows) < MIN_CONFIGURATIONS:
        return Importance(
            f"Importance of hyperparameters needs at least {MIN_CONFIGURATIONS} configurations with a result; there "
            f"{'is 1' if len(rows) == 1 else f'are {len(rows)}'}."
        )
    if find_spec("sklearn") is None:
        return Importance(INSTALL)
    levels = [ordered({row.values[column] for row in rows}) for column in range(len(names))]
    indices = [[levels[column].index(value) for column, value in enumerate(row.values)] for row in rows]
    results = np.array([row.best.mean for row in rows])
    if results.std() == 0.0:
        return Importance("Importance of hyperparameters: all configurations have the same result.")
    return _fitted(names, np.array(indices, np.float64), results, [len(values) for values in levels])


def _fitted(
    names: tuple[str, ...], indices: NDArray[np.float64], results: NDArray[np.float64], levels: list[int]
) -> Importance:
    """indices: (N, P) level indices; results: (N,); levels: number of levels of each parameter, P."""
    forest = _forest().fit(indices, results)
    impurity = _shares(np.array([tree.feature_importances_ for tree in forest.estimators_]))
    variances = [marginal_variances(tree.tree_, levels) for tree in forest.estimators_]
    alone = _shares(np.array([tree.single / tree.total for tree in variances if tree.total > 0.0]))
    pairs = {name: (impurity[column], alone[column]) for column, name in enumerate(names)}
    best_first = dict(sorted(pairs.items(), key=lambda item: -item[1][1].mean))
    together = max(0.0, 1.0 - sum(share.mean for share in alone))
    score = float(forest.oob_score_)
    return Importance(verdict(score, len(results)), best_first, together, score)


def verdict(score: float, configurations: int) -> str:
    """Whether the estimate of a forest is reliable. score: its out-of-bag R²."""
    head = f"Out-of-bag R² {score:.2f} over {configurations} configurations"
    if not score >= MIN_R2:
        return f"{head}: the forest cannot predict what it has not seen, so these importances mean nothing."
    if score < RELIABLE_R2:
        return f"{head}: a rough guide."
    return f"{head}: the forest predicts well what it has not seen."


def _forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=TREES, oob_score=True, random_state=0)


def _shares(shares: NDArray[np.float64]) -> list[Share]:
    """Mean and deviation over trees. shares: (T, P), one row per tree."""
    return [Share(float(mean), float(spread)) for mean, spread in zip(shares.mean(0), shares.std(0), strict=True)]
