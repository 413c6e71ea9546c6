"""hit@k, hierarchical precision@k and average precision against simple computations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.metrics import retrieval
from seqvise.metrics.retrieval import (
    average_precision_chance,
    average_precisions,
    correct_sets,
    hierarchical_chance,
    hierarchical_precisions,
    hit_chance,
    hits,
    mean_average_precision,
    top_k_probabilities,
)
from tests.metrics.at_k import hierarchical_precision_at_k, hit_at_k

FAR = np.iinfo(np.int16).max
SCORES = np.array([[0.9, 0.5, 0.1, 0.3], [0.2, 0.4, 0.6, 0.8]], np.float32)
# Four labels: a and b are neighbours, c has distance 2 to both, d has distance 4 to all.
DISTANCES = np.array([[0, 1, 2, 4], [1, 0, 2, 4], [2, 2, 0, 4], [4, 4, 4, 0]], np.int16)


def test_hits_by_hand() -> None:
    assert hit_at_k(SCORES, np.array([1, 1]), (1, 2, 3, 4, 5, 0)) == {1: 0.0, 2: 0.5, 3: 1.0, 4: 1.0}
    assert hits(SCORES, np.array([0, 0]), 1).tolist() == [1, 0]
    assert hit_chance(4, (1, 2, 10)) == {1: 0.25, 2: 0.5}


def test_equal_scores_share_a_hit() -> None:
    scores = np.array([[3, 3, 1, 3]])
    assert hits(scores, np.array([0]), 1).tolist() == [1 / 3]
    assert hits(scores, np.array([3]), 2).tolist() == [2 / 3]
    assert hits(scores, np.array([2]), 3).tolist() == [0]


@pytest.mark.parametrize(
    ("label", "k", "correct"),
    [(0, 1, "a"), (0, 2, "ab"), (0, 3, "abc"), (2, 1, "c"), (2, 2, "abc"), (3, 2, "abcd"), (1, 4, "abcd")],
)
def test_the_correct_set_includes_the_last_distance_completely(label: int, k: int, correct: str) -> None:
    flags, possible = correct_sets(DISTANCES, k)
    assert "".join(letter for letter, flag in zip("abcd", flags[label], strict=True) if flag) == correct
    assert possible.all()


def test_hierarchical_precision_by_hand() -> None:
    # The first image shows a; its top 2 are a and b, both correct. The second shows c; its top 2 are d and c (correct).
    assert hierarchical_precisions(SCORES, np.array([0, 2]), DISTANCES, 2).tolist() == [1, 0.5]
    assert hierarchical_precision_at_k(SCORES, np.array([0, 2]), DISTANCES, (1, 2, 3, 5)) == {
        1: 0.5,
        2: 0.75,
        # Top 3: a, b, d, of which a and b are correct; d, c, b, of which c and b are correct.
        3: pytest.approx(2 / 3),
    }
    # Two of the four candidates are correct for a, and three for c.
    assert hierarchical_chance(np.array([0, 2]), DISTANCES, (2,)) == {2: (2 / 4 + 3 / 4) / 2}


def test_labels_that_cannot_reach_k_candidates_are_excluded() -> None:
    distances = np.array([[0, 1, FAR], [FAR, FAR, FAR]], np.int16)
    scores = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    precisions = hierarchical_precisions(scores, np.array([0, 1]), distances, 2)
    assert precisions[0] == 0.5
    assert np.isnan(precisions[1])
    assert hierarchical_precision_at_k(scores, np.array([0, 1]), distances, (2,)) == {2: 0.5}
    assert np.isnan(hierarchical_precision_at_k(scores, np.array([0, 1]), distances, (3,))[3])
    assert hierarchical_chance(np.array([0, 1]), distances, (2,)) == {2: pytest.approx(2 / 3)}


def correct_set_by_loop(distances: np.ndarray, label: int, k: int) -> set[int]:
    """The set of correct candidates, constructed as described by Frome et al."""
    correct: set[int] = set()
    radius = 0
    while len(correct) < k:
        correct |= {candidate for candidate, distance in enumerate(distances[label]) if distance == radius}
        radius += 1
    return correct


RANDOM = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(RANDOM, st.integers(1, 6))
def test_hierarchical_precision_equals_a_loop(generator: np.random.Generator, k: int) -> None:
    distances = generator.integers(1, 5, (6, 6)).astype(np.int16)
    np.fill_diagonal(distances, 0)
    scores = generator.permuted(np.tile(np.arange(6.0), (8, 1)), axis=1)
    truth = generator.integers(0, 6, 8)
    expected = [
        len(correct_set_by_loop(distances, label, k) & set(np.argsort(-row)[:k].tolist())) / k
        for row, label in zip(scores, truth.tolist(), strict=True)
    ]
    np.testing.assert_allclose(hierarchical_precisions(scores, truth, distances, k), expected)


def orders(scores: np.ndarray) -> list[list[int]]:
    """All orders by descending score."""
    return [list(order) for order in permutations(range(len(scores))) if all(np.diff(scores[list(order)]) <= 0)]


@given(RANDOM, st.integers(1, 5))
def test_ties_are_averaged_over_all_orders(generator: np.random.Generator, k: int) -> None:
    scores = generator.integers(0, 3, 5).astype(np.float64)
    relevant = generator.random(5) < 0.5
    relevant[0] = True
    all_orders = orders(scores)
    expected = np.zeros(5)
    for order in all_orders:
        expected[order[:k]] += 1 / len(all_orders)
    np.testing.assert_allclose(top_k_probabilities(scores[None], k)[0], expected)
    for label in range(5):
        assert hits(scores[None], np.array([label]), k)[0] == pytest.approx(expected[label])
    mean = np.mean([precision(relevant[order]) for order in all_orders])
    assert average_precisions(scores[None], relevant[None])[0] == pytest.approx(mean)


def precision(relevant: np.ndarray) -> float:
    """Average precision of ranked items."""
    ranks = np.flatnonzero(relevant)
    return float(np.mean([relevant[: rank + 1].mean() for rank in ranks]))


def test_average_precision_by_hand() -> None:
    scores = np.array([[4, 3, 2, 1], [4, 3, 2, 1], [1, 2, 3, 4]])
    relevant = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
    precisions = average_precisions(scores, relevant)
    assert precisions[[0, 2]].tolist() == [pytest.approx((1 + 2 / 3) / 2), 0.25]
    assert np.isnan(precisions[1])
    assert mean_average_precision(scores, relevant) == pytest.approx((5 / 6 + 1 / 4) / 2)


@pytest.mark.parametrize(("items", "relevant"), [(1, 1), (7, 1), (10, 3), (50, 50)])
def test_chance_of_average_precision_equals_the_formula(items: int, relevant: int) -> None:
    harmonic = sum(1 / n for n in range(1, items + 1))
    expected = (harmonic + (relevant - 1) * (items - harmonic) / max(items - 1, 1)) / items
    assert average_precision_chance(np.arange(items)[None] < relevant) == pytest.approx(expected)


def test_constant_scores_have_chance_level() -> None:
    truth = np.array([0, 2])
    constant = np.zeros((2, 4), np.float32)
    assert hit_at_k(constant, truth, (1, 3)) == hit_chance(4, (1, 3))
    assert hierarchical_precision_at_k(constant, truth, DISTANCES, (2, 3)) == pytest.approx(
        hierarchical_chance(truth, DISTANCES, (2, 3))
    )


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    scores, truth = generator.random((9, 4)), generator.integers(0, 4, 9)
    whole = hierarchical_precisions(scores, truth, DISTANCES, 2)
    monkeypatch.setattr(retrieval, "_MAX_SCORES", 8)
    assert hierarchical_precisions(scores, truth, DISTANCES, 2).tolist() == whole.tolist()


def test_invalid_arrays_are_refused() -> None:
    for scores, truth in (
        (np.array([[1, np.nan]]), np.array([0])),
        (np.array([[1.0, 2.0]]), np.array([2])),
        (np.array([[1.0, 2.0]]), np.array([-1])),
        (np.array([[1.0, 2.0]]), np.array([0, 1])),
        (np.zeros((0, 2)), np.zeros(0, np.int64)),
    ):
        with pytest.raises(ValueError, match=r"NaN|truth"):
            hit_at_k(scores, truth)
    with pytest.raises(ValueError, match="must be numbers"):
        average_precisions(np.array([[np.nan]]), np.array([[True]]))
