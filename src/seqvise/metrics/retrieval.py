"""How well scores rank candidates: hit@k, hierarchical precision@k, mean average precision, and chance for each.

Candidates with equal scores are taken in every order with equal probability, and the number given is the mean over
these orders: two labels with one vector share their hits, and scores that are all alike give exactly chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Rows = NDArray[np.int64] | NDArray[np.int32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KS = (1, 2, 5, 10, 20)
HIERARCHICAL_KS = (2, 5, 10, 20)
_CELLS = 2**23
"""Scores looked at at once, so that 80,000 candidates fit into the memory."""


def hit_at_k(scores: Scores, truth: Rows, ks: Sequence[int] = KS) -> dict[int, float]:
    """The share of rows whose true candidate is among the k with the highest scores.

    Args:
        scores: (N, C) higher is better; N > 0.
        truth: (N,) the column of each row's true candidate.
        ks: those above C are left out of the answer.

    Raises:
        ValueError: a score is NaN, or a column is not there.
    """
    return {k: float(hits(scores, truth, k).mean()) for k in _possible(ks, scores.shape[1])}


def hits(scores: Scores, truth: Rows, k: int) -> Floats:
    """(N,) the probability that each row's true candidate is among the first k: 0 or 1 where no scores are equal."""
    _check(scores, truth, scores.shape[1])
    own = np.take_along_axis(scores, np.asarray(truth, np.int64)[:, None], axis=1)
    above, equal = (scores > own).sum(1), (scores == own).sum(1)
    return np.asarray(np.clip((k - above) / equal, 0.0, 1.0), np.float64)


def hit_chance(candidates: int, ks: Sequence[int] = KS) -> dict[int, float]:
    """hit@k of a random order of the candidates: k / C."""
    return {k: k / candidates for k in _possible(ks, candidates)}


def hierarchical_precision_at_k(
    scores: Scores, truth: Rows, distances: NDArray[np.int16], ks: Sequence[int] = HIERARCHICAL_KS
) -> dict[int, float]:
    """Hierarchical precision@k of Frome et al. (2013), "DeViSE: A Deep Visual-Semantic Embedding Model".

    For each true label and each k a set of correct candidates is made: it starts with the candidates at distance 0 in
    the hierarchy, which is the true label, and takes in all those at distance 1, 2, ... until it has k or more. The
    whole ring that reaches k is taken, so the set can be larger than k. Precision is the share of the first k
    candidates that are in the set. With k = 1 it is hit@1, unless two labels are one synset.

    Args:
        scores: (N, C) higher is better; N > 0.
        truth: (N,) the row of ``distances`` of each row's true label.
        distances: (T, C) edges of the shortest path from each true label to each candidate, as
            ``WordNet.distances`` gives them.
        ks: those above C are left out of the answer.

    Returns:
        The mean over rows whose true label has k candidates within reach; NaN where there is none.

    Raises:
        ValueError: a score is NaN, or a row is not there.
    """
    found = {}
    for k in _possible(ks, scores.shape[1]):
        values = hierarchical_precisions(scores, truth, distances, k)
        found[k] = _mean(values)
    return found


def hierarchical_precisions(scores: Scores, truth: Rows, distances: NDArray[np.int16], k: int) -> Floats:
    """(N,) hierarchical precision@k of each row; NaN where its true label has fewer than k candidates within reach."""
    _check(scores, truth, len(distances))
    correct, possible = correct_sets(distances, k)
    values = np.empty(len(scores))
    for block in _blocks(*scores.shape):
        values[block] = (first(scores[block], k) * correct[truth[block]]).sum(1) / k
    values[~possible[truth]] = np.nan
    return values


def correct_sets(distances: NDArray[np.int16], k: int) -> tuple[Flags, Flags]:
    """The candidates within the smallest radius that holds k of them.

    Args:
        distances: (T, C); the largest int16 stands for candidates out of reach.
        k: at most C.

    Returns:
        (T, C) whether each candidate is correct for each true label, and (T,) whether k candidates are within reach.
    """
    unreachable = np.iinfo(np.int16).max
    radius = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return (distances <= radius[:, None]) & (distances < unreachable), radius < unreachable


def hierarchical_chance(
    truth: Rows, distances: NDArray[np.int16], ks: Sequence[int] = HIERARCHICAL_KS
) -> dict[int, float]:
    """Hierarchical precision@k of a random order: the mean share of candidates that are correct."""
    found = {}
    for k in _possible(ks, distances.shape[1]):
        correct, possible = correct_sets(distances, k)
        found[k] = _mean(np.where(possible, correct.mean(1), np.nan)[truth])
    return found


def mean_average_precision(scores: Scores, relevant: Flags) -> float:
    """The mean of average precision over queries that have anything relevant; NaN where none has.

    Args:
        scores: (Q, N) of each query and item, higher is better.
        relevant: (Q, N) whether an item answers a query, such as an image whose class is the query's.
    """
    return _mean(average_precisions(scores, relevant))


def average_precisions(scores: Scores, relevant: Flags) -> Floats:
    """(Q,) the mean, over a query's relevant items, of the precision down to each; NaN where it has none.

    Equal scores are averaged over as McSherry and Najork (2008), "Computing Information Retrieval Performance Measures
    Efficiently in the Presence of Tied Scores", give it.
    """
    if scores.shape != relevant.shape or np.isnan(scores).any():
        raise ValueError(f"Scores {scores.shape} must be numbers, one for each of {relevant.shape} items.")
    return np.array([_average_precision(*row) for row in zip(scores, relevant, strict=True)])


def average_precision_chance(relevant: Flags) -> float:
    """Mean average precision of a random order: the mean over queries of their expected average precision.

    For R relevant of N items it is (H + (R - 1) (N - H) / (N - 1)) / N, with H = 1 + 1/2 + ... + 1/N.
    """
    return mean_average_precision(np.zeros(relevant.shape, np.float32), relevant)


def first(scores: Scores, k: int) -> Floats:
    """(N, C) the probability of each candidate to be among the first k of its row: 0 or 1 where no scores are equal."""
    last = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    above, equal = scores > last, scores == last
    share = (k - above.sum(1, keepdims=True)) / equal.sum(1, keepdims=True)
    return np.asarray(np.where(equal, share, above), np.float64)


def _average_precision(scores: Scores, relevant: Flags) -> float:
    total = int(relevant.sum())
    if total == 0:
        return float("nan")
    # Items with one score form a group: its size, its relevant ones, and what stands before it.
    values, group = np.unique(-scores, return_inverse=True)
    sizes = np.bincount(group, minlength=len(values))
    found = np.bincount(group, relevant, minlength=len(values))
    before, found_before = np.cumsum(sizes) - sizes, np.cumsum(found) - found
    place = np.repeat(np.arange(len(values)), sizes)
    position = np.arange(1, len(scores) + 1)
    others = (position - before[place] - 1) * (found[place] - 1) / np.maximum(sizes[place] - 1, 1)
    precision = (found_before[place] + 1 + others) / position
    return float((found[place] / sizes[place] * precision).sum() / total)


def _possible(ks: Sequence[int], candidates: int) -> list[int]:
    return [k for k in ks if 1 <= k <= candidates]


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    size = max(1, _CELLS // max(columns, 1))
    return (slice(start, start + size) for start in range(0, rows, size))


def _check(scores: Scores, truth: Rows, count: int) -> None:
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not len(truth):
        raise ValueError(f"Scores are {scores.shape} and truth {truth.shape}: must be (N, C) and (N,), N above 0.")
    if np.isnan(scores).any():
        raise ValueError("A score is NaN.")
    if truth.min() < 0 or truth.max() >= count:
        raise ValueError(f"truth goes from {truth.min()} to {truth.max()}, but there are {count}.")
