"""Confidence intervals of scores, and significance tests for the difference of two systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqvise.metrics.statistics import Floats, Statistics

MAX_DRAWS = 2**22
"""Maximum number of random draws in memory."""


class Interval(NamedTuple):
    """Bounds of the central 95 % of the resampled values."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two systems compared by one metric on the same sentences."""

    difference: float  # score of the first system minus score of the second
    interval: Interval  # 95 % interval of the difference, by paired bootstrap
    # p value of the paired bootstrap, one-sided (Koehn 2004): the share of resamples in which the system with the
    # better corpus score is not better
    bootstrap: float
    # p value of approximate randomisation, two-sided (Riezler and Maxwell 2005): the share of random exchanges of
    # outputs after which the scores differ by as much or more
    randomisation: float


def score_interval(statistics: Statistics, samples: int, seed: int) -> Interval:
    """The 95 % bootstrap interval of a corpus score."""
    return central_interval(statistics.scores(resample_sums(statistics.rows, samples, seed)))


def compare(first: Statistics, second: Statistics, samples: int, seed: int) -> Comparison:
    """Paired bootstrap and approximate randomisation for two systems.

    Both p values count the corpus itself as a sample, ``(c + 1) / (samples + 1)``, so that they are never 0.
    sacreBLEU's ``PairedTest`` is not used, for two reasons. It counts only samples that differ by more, so that a
    system differs significantly from itself. And it keeps the draws for all sentences in memory.

    Args:
        first: counts of N sentences.
        second: counts of the same sentences by the same metric.
        samples: number of resamples of the bootstrap, and of exchanges of the randomisation.
        seed: of the draws.
    """
    difference = first.score() - second.score()
    # Same seed and same number of sentences, so both systems are scored on the same resamples.
    first_scores, second_scores = (
        statistics.scores(resample_sums(statistics.rows, samples, seed)) for statistics in (first, second)
    )
    differences = first_scores - second_scores
    exchanges = exchanged_differences(first, second, samples, seed)
    return Comparison(
        difference,
        central_interval(differences),
        _p_value(np.sign(difference) * differences <= 0),
        _p_value(np.abs(exchanges) >= abs(difference)),
    )


def resample_sums(rows: Floats, samples: int, seed: int) -> Floats:
    """Sums of N rows drawn with replacement. rows: (N, K). Returns (samples, K); the same draws for the same N."""
    count = len(rows)
    random = np.random.default_rng(seed)
    sums = [_draw_counts(random.integers(0, count, (size, count))) @ rows for size in _chunk_sizes(samples, count)]
    return np.concatenate(sums)


def exchanged_differences(first: Statistics, second: Statistics, samples: int, seed: int) -> Floats:
    """Score differences, (samples,), after the outputs of each sentence were exchanged with probability 1/2."""
    random = np.random.default_rng(seed)
    count = len(first.rows)
    totals, row_differences = (first.rows.sum(0), second.rows.sum(0)), second.rows - first.rows
    differences = []
    for size in _chunk_sizes(samples, count):
        exchanged = random.integers(2, size=(size, count), dtype=bool).astype(np.float64) @ row_differences
        differences.append(first.scores(totals[0] + exchanged) - second.scores(totals[1] - exchanged))
    return np.concatenate(differences)


def central_interval(values: Floats) -> Interval:
    """The interval without the lowest and the highest 2.5 %, as in sacreBLEU. values: (samples,)."""
    ordered = np.sort(values)
    cut = len(ordered) // 40
    return Interval(float(ordered[cut]), float(ordered[-1 - cut]))


def _p_value(is_extreme: NDArray[np.bool_]) -> float:
    return (int(is_extreme.sum()) + 1) / (len(is_extreme) + 1)


def _draw_counts(rows: NDArray[np.int64]) -> Floats:
    """How often each of N sentences was drawn. rows: (M, N), the drawn sentences. Returns (M, N)."""
    samples, count = rows.shape
    flat = (rows + count * np.arange(samples)[:, None]).ravel()
    return np.bincount(flat, minlength=samples * count).reshape(samples, count).astype(np.float64)


def _chunk_sizes(samples: int, count: int) -> Iterator[int]:
    maximum = max(1, MAX_DRAWS // count)
    for start in range(0, samples, maximum):
        yield min(maximum, samples - start)
