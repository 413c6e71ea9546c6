"""Ranking metrics: hit@k, hierarchical precision@k, mean average precision, and chance level of each.

Each metric is the mean over all orders of candidates with equal scores. Two labels with the same vector share their
hits, and constant scores have exactly chance level.
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
_MAX_SCORES = 2**23
"""Maximum number of scores processed at once, so that 80,000 candidates fit into the memory."""


def hits(scores: Scores, truth: Rows, k: int) -> Floats:
    """(N,) probability that each row's true candidate is among the top k: 0 or 1 unless its score is tied.

    Args:
        scores: (N, C) higher is better; N > 0.
        truth: (N,) column of each row's true candidate.

    Raises:
        ValueError: a score is NaN, or a column does not exist.
    """
    _check(scores, truth, scores.shape[1])
    true_scores = np.take_along_axis(scores, np.asarray(truth, np.int64)[:, None], axis=1)
    above, equal = (scores > true_scores).sum(1), (scores == true_scores).sum(1)
    return np.asarray(np.clip((k - above) / equal, 0.0, 1.0), np.float64)


def hit_chance(candidates: int, ks: Sequence[int] = KS) -> dict[int, float]:
    """hit@k of a random order of the candidates: k / C."""
    return {k: k / candidates for k in _possible(ks, candidates)}


def hierarchical_precisions(scores: Scores, truth: Rows, distances: NDArray[np.int16], k: int) -> Floats:
    """Hierarchical precision@k of Frome et al. (2013), "DeViSE: A Deep Visual-Semantic Embedding Model".

    Each true label and each k has a set of correct candidates: those at distance 0 in the hierarchy (the true label),
    then all at distance 1, 2, ... until the set has at least k members. The last distance is included completely, so
    the set can be larger than k. Precision is the share of the top k candidates that are in the set. For k = 1 it
    equals hit@1, unless two labels have the same synset.

    Args:
        scores: (N, C) higher is better; N > 0.
        truth: (N,) row of ``distances`` of each row's true label.
        distances: (T, C) edges of the shortest path from each true label to each candidate, from
            ``WordNet.distances``.
        k: at most C.

    Returns:
        (N,) the precision of each row; NaN if its true label can reach fewer than k candidates.

    Raises:
        ValueError: a score is NaN, or a row does not exist.
    """
    _check(scores, truth, len(distances))
    correct, possible = correct_sets(distances, k)
    values = np.empty(len(scores))
    for block in blocks(*scores.shape):
        values[block] = (top_k_probabilities(scores[block], k) * correct[truth[block]]).sum(1) / k
    values[~possible[truth]] = np.nan
    return values


def correct_sets(distances: NDArray[np.int16], k: int) -> tuple[Flags, Flags]:
    """The candidates within the smallest radius that contains at least k of them.

    Args:
        distances: (T, C); the largest int16 marks unreachable candidates.
        k: at most C.

    Returns:
        (T, C) whether each candidate is correct for each true label, and (T,) whether it can reach k candidates.
    """
    unreachable = np.iinfo(np.int16).max
    radius = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return (distances <= radius[:, None]) & (distances < unreachable), radius < unreachable


def hierarchical_chance(
    truth: Rows, distances: NDArray[np.int16], ks: Sequence[int] = HIERARCHICAL_KS
) -> dict[int, float]:
    """Hierarchical precision@k of a random order: the mean share of candidates that are correct."""
    chances = {}
    for k in _possible(ks, distances.shape[1]):
        correct, possible = correct_sets(distances, k)
        chances[k] = mean(np.where(possible, correct.mean(1), np.nan)[truth])
    return chances


def mean_average_precision(scores: Scores, relevant: Flags) -> float:
    """The mean of average precision over queries with relevant items; NaN if no query has any.

    Args:
        scores: (Q, N) of each query and item, higher is better.
        relevant: (Q, N) whether an item is relevant to a query, such as an image of the query's class.
    """
    return mean(average_precisions(scores, relevant))


def average_precisions(scores: Scores, relevant: Flags) -> Floats:
    """(Q,) the mean precision at the ranks of a query's relevant items; NaN for a query without relevant items.

    Ties are averaged by the formula of McSherry and Najork (2008), "Computing Information Retrieval Performance
    Measures Efficiently in the Presence of Tied Scores".

    Raises:
        ValueError: a score is NaN, or the shapes differ.
    """
    if scores.shape != relevant.shape or np.isnan(scores).any():
        raise ValueError(f"Scores {scores.shape} must be numbers, one for each of {relevant.shape} items.")
    return np.array([_average_precision(*row) for row in zip(scores, relevant, strict=True)])


def average_precision_chance(relevant: Flags) -> float:
    """Mean average precision of a random order: the mean over queries of the expected average precision.

    For R relevant items of N it is (H + (R - 1) (N - H) / (N - 1)) / N, with H = 1 + 1/2 + ... + 1/N.
    """
    return mean_average_precision(np.zeros(relevant.shape, np.float32), relevant)


def top_k_probabilities(scores: Scores, k: int) -> Floats:
    """(N, C) probability of each candidate to be among the top k of its row: 0 or 1 unless its score is tied."""
    last = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    above, equal = scores > last, scores == last
    share = (k - above.sum(1, keepdims=True)) / equal.sum(1, keepdims=True)
    return np.asarray(np.where(equal, share, above), np.float64)


def _average_precision(scores: Scores, relevant: Flags) -> float:
    total = int(relevant.sum())
    if total == 0:
        return float("nan")
    # Items with equal scores form a group. For each group: size, relevant items, and both counts of all groups above.
    values, group = np.unique(-scores, return_inverse=True)
    sizes = np.bincount(group, minlength=len(values))
    hits_in = np.bincount(group, relevant, minlength=len(values))
    items_above, hits_above = np.cumsum(sizes) - sizes, np.cumsum(hits_in) - hits_in
    group_at = np.repeat(np.arange(len(values)), sizes)
    rank = np.arange(1, len(scores) + 1)
    others = (rank - items_above[group_at] - 1) * (hits_in[group_at] - 1) / np.maximum(sizes[group_at] - 1, 1)
    precision = (hits_above[group_at] + 1 + others) / rank
    return float((hits_in[group_at] / sizes[group_at] * precision).sum() / total)


def _possible(ks: Sequence[int], candidates: int) -> list[int]:
    return [k for k in ks if 1 <= k <= candidates]


def mean(values: Floats) -> float:
    """The mean of all values but NaN; NaN if there are no others."""
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows with at most ``_MAX_SCORES`` scores."""
    size = max(1, _MAX_SCORES // max(columns, 1))
    return (slice(start, start + size) for start in range(0, rows, size))


def _check(scores: Scores, truth: Rows, count: int) -> None:
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not len(truth):
        raise ValueError(f"Scores are {scores.shape} and truth {truth.shape}, but must be (N, C) and (N,), N above 0.")
    if np.isnan(scores).any():
        raise ValueError("A score is NaN.")
    if truth.min() < 0 or truth.max() >= count:
        raise ValueError(f"truth ranges from {truth.min()} to {truth.max()}, but must be from 0 to {count - 1}.")
