"""How much each hyperparameter matters, and whether to believe it."""

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
LEAST = 8
"""Configurations below which a forest learns nothing that can be tested."""
NOTHING, ROUGH = 0.3, 0.7
"""Out-of-bag R² below which importances mean nothing, and below which they are a rough guide."""
TREES = 500


class Share(NamedTuple):
    """A share of the variance, its mean and its standard deviation over trees."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Importance:
    """What a random forest says of the hyperparameters.

    Attributes:
        verdict: whether to believe it, or why there is nothing.
        parameters: the share of each by impurity and by fANOVA, the largest by the latter first; empty if there are
            none.
        together: fANOVA's share that no parameter explains alone.
        score: the forest's out-of-bag R².
    """

    verdict: str
    parameters: Mapping[str, tuple[Share, Share]] = field(default_factory=dict)
    together: float = math.nan
    score: float = math.nan


def importance(report: SweepReport) -> Importance:
    """The importance of each differing key for the first metric.

    The forest learns the means over seeds, one example a configuration: out of bag then means a configuration that the
    trees have not seen with another seed either.
    """
    rows = [row for row in report.rows if math.isfinite(row.best.mean)]
    names = report.differing.parameters
    if rows and not names:
        return Importance("Importance of hyperparameters: no key but seeds differs.")
    if len(rows) < LEAST:
        return Importance(
            f"Importance of hyperparameters needs at least {LEAST} configurations with a result; there "
            f"{'is 1' if len(rows) == 1 else f'are {len(rows)}'}."
        )
    if find_spec("sklearn") is None:
        return Importance(INSTALL)
    levels = [ordered({row.values[column] for row in rows}) for column in range(len(names))]
    places = [[levels[column].index(value) for column, value in enumerate(row.values)] for row in rows]
    results = np.array([row.best.mean for row in rows])
    if results.std() == 0.0:
        return Importance("Importance of hyperparameters: all configurations have the same result.")
    return _learned(names, np.array(places, np.float64), results, [len(each) for each in levels])


def _learned(
    names: tuple[str, ...], places: NDArray[np.float64], results: NDArray[np.float64], levels: list[int]
) -> Importance:
    """places: (N, P) numbers of levels; results: (N,); levels: how many each parameter has, P."""
    forest = _forest().fit(places, results)
    impurity = _shares(np.array([tree.feature_importances_ for tree in forest.estimators_]))
    found = [marginal_variances(tree.tree_, levels) for tree in forest.estimators_]
    alone = _shares(np.array([each.single / each.total for each in found if each.total > 0.0]))
    pairs = {name: (impurity[column], alone[column]) for column, name in enumerate(names)}
    best_first = dict(sorted(pairs.items(), key=lambda item: -item[1][1].mean))
    together = max(0.0, 1.0 - sum(share.mean for share in alone))
    score = float(forest.oob_score_)
    return Importance(verdict(score, len(results)), best_first, together, score)


def verdict(score: float, configurations: int) -> str:
    """Whether to believe a forest. score: its out-of-bag R²."""
    head = f"Out-of-bag R² {score:.2f} over {configurations} configurations"
    if not score >= NOTHING:
        return f"{head}: the forest cannot predict what it has not seen, so these importances mean nothing."
    if score < ROUGH:
        return f"{head}: a rough guide."
    return f"{head}: the forest predicts well what it has not seen."


def _forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=TREES, oob_score=True, random_state=0)


def _shares(found: NDArray[np.float64]) -> list[Share]:
    """found: (T, P), a tree a row."""
    return [Share(float(mean), float(spread)) for mean, spread in zip(found.mean(0), found.std(0), strict=True)]
