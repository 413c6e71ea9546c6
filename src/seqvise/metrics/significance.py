"""How sure a score is, and whether two systems differ by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqvise.metrics.statistics import Floats, Statistics

ROOM = 2**22
"""Draws held at once, whatever the number of sentences."""


class Interval(NamedTuple):
    """Bounds of what 95 % of the resamples give."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two systems under one metric, on the same sentences.

    Attributes:
        difference: first score less second score.
        interval: of the difference, by paired bootstrap.
        bootstrap: the share of resamples in which the system that scores better on the corpus does not: one-sided,
            as in Koehn (2004).
        randomisation: the share of random exchanges of the two systems' sentences after which the scores differ by as
            much or more: two-sided, as in Riezler and Maxwell (2005).
    """

    difference: float
    interval: Interval
    bootstrap: float
    randomisation: float


def score_interval(statistics: Statistics, samples: int, seed: int) -> Interval:
    """The 95 % bootstrap interval of a corpus score."""
    return middle(statistics.scores(resampled(statistics.rows, samples, seed)))


def compare(first: Statistics, second: Statistics, samples: int, seed: int) -> Comparison:
    """Both tests for two systems.

    Both p values count the corpus itself among the samples, ``(c + 1) / (samples + 1)``, so that none is 0.
    sacreBLEU's own ``PairedTest`` is not used: it calls a system significantly different from itself, since it counts
    only samples that differ by more, and it holds all draws of all sentences at once.

    Args:
        first: counts of N sentences.
        second: of the same sentences, by the same metric.
        samples: resamples of the bootstrap, and exchanges of the randomisation.
        seed: of the draws.
    """
    difference = first.score() - second.score()
    # One seed and one number of sentences: both systems are scored on the same resamples.
    resamples = [each.scores(resampled(each.rows, samples, seed)) for each in (first, second)]
    differences = resamples[0] - resamples[1]
    exchanges = exchanged_differences(first, second, samples, seed)
    return Comparison(
        difference,
        middle(differences),
        _p_value(np.sign(difference) * differences <= 0),
        _p_value(np.abs(exchanges) >= abs(difference)),
    )


def resampled(rows: Floats, samples: int, seed: int) -> Floats:
    """Sums of N rows drawn with replacement. rows: (N, K). Returns (samples, K); the same draws for the same N."""
    count = len(rows)
    random = np.random.default_rng(seed)
    sums = [_times_drawn(random.integers(0, count, (size, count))) @ rows for size in _sizes(samples, count)]
    return np.concatenate(sums)


def exchanged_differences(first: Statistics, second: Statistics, samples: int, seed: int) -> Floats:
    """Differences of score, (samples,), after each sentence's two outputs were exchanged or not, as a coin says."""
    random = np.random.default_rng(seed)
    count = len(first.rows)
    totals, step = (first.rows.sum(0), second.rows.sum(0)), second.rows - first.rows
    found = []
    for size in _sizes(samples, count):
        moved = random.integers(2, size=(size, count), dtype=bool).astype(np.float64) @ step
        found.append(first.scores(totals[0] + moved) - second.scores(totals[1] - moved))
    return np.concatenate(found)


def middle(values: Floats) -> Interval:
    """The values that cut off a fortieth at each end, as sacreBLEU does. values: (samples,)."""
    ordered = np.sort(values)
    cut = len(ordered) // 40
    return Interval(float(ordered[cut]), float(ordered[-1 - cut]))


def _p_value(counted: NDArray[np.bool_]) -> float:
    return (int(counted.sum()) + 1) / (len(counted) + 1)


def _times_drawn(places: NDArray[np.int64]) -> Floats:
    """How often each of N sentences was drawn. places: (M, N). Returns (M, N)."""
    samples, count = places.shape
    flat = (places + count * np.arange(samples)[:, None]).ravel()
    return np.bincount(flat, minlength=samples * count).reshape(samples, count).astype(np.float64)


def _sizes(samples: int, count: int) -> Iterator[int]:
    most = max(1, ROOM // count)
    for start in range(0, samples, most):
        yield min(most, samples - start)
