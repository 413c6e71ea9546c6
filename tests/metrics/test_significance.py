"""Bootstrap and randomisation against simple computations and known cases."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from seqvise.metrics import significance
from seqvise.metrics.significance import (
    Interval,
    central_interval,
    compare,
    exchanged_differences,
    resample_sums,
    score_interval,
)
from seqvise.metrics.statistics import Statistics, count
from seqvise.metrics.text import text_metrics

SAMPLES, SEED = 200, 12345
METRICS: dict[str, Any] = text_metrics(False)
WORDS = ["the", "a", "cat", "dog", "sits", "runs", "on", "under", "old", "red", "mat", "and", "sees", "two", "one"]


def corpus(size: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(4, 12))) for _ in range(size)]


def corrupted(texts: list[str], share: float, seed: int) -> list[str]:
    """The texts with a share of the words replaced."""
    random = np.random.default_rng(seed)
    return [" ".join("zzz" if random.random() < share else word for word in text.split()) for text in texts]


REFERENCES = corpus(40, 0)
GOOD, BAD = corrupted(REFERENCES, 0.15, 1), corrupted(REFERENCES, 0.6, 2)
SIMILAR = corrupted(REFERENCES, 0.15, 3)


@pytest.mark.parametrize("name", METRICS)
def test_a_system_does_not_differ_from_itself(name: str) -> None:
    counts = count(METRICS[name], GOOD, REFERENCES)
    comparison = compare(counts, counts, SAMPLES, SEED)
    assert (comparison.difference, comparison.interval) == (0, (0, 0))
    assert (comparison.bootstrap, comparison.randomisation) == (1, 1)


@pytest.mark.parametrize("name", METRICS)
def test_a_system_that_is_always_better_has_the_smallest_p(name: str) -> None:
    good, bad = (count(METRICS[name], texts, REFERENCES) for texts in (GOOD, BAD))
    comparison = compare(good, bad, SAMPLES, SEED)
    assert (comparison.bootstrap, comparison.randomisation) == (1 / (SAMPLES + 1), 1 / (SAMPLES + 1))
    assert comparison.difference == good.score() - bad.score()
    assert (comparison.difference < 0) is (name == "ter")
    assert comparison.interval.low < comparison.difference < comparison.interval.high
    assert comparison.interval.low * comparison.interval.high > 0


@pytest.mark.parametrize("name", METRICS)
def test_swapping_the_systems_changes_only_the_sign(name: str) -> None:
    first, second = (count(METRICS[name], texts, REFERENCES) for texts in (GOOD, SIMILAR))
    forward, swapped = compare(first, second, SAMPLES, SEED), compare(second, first, SAMPLES, SEED)
    assert swapped.difference == -forward.difference
    assert swapped.interval == (-forward.interval.high, -forward.interval.low)
    assert (swapped.bootstrap, swapped.randomisation) == (forward.bootstrap, forward.randomisation)
    assert forward.bootstrap > 0.02
    assert forward.randomisation > 0.05


def test_the_bootstrap_equals_scores_of_resampled_texts() -> None:
    """The same draws, with each resampled corpus scored from its text."""
    chrf = METRICS["chrf"]
    first, second = (count(chrf, texts, REFERENCES) for texts in (GOOD, SIMILAR))
    comparison = compare(first, second, SAMPLES, SEED)
    draws = np.random.default_rng(SEED).integers(0, len(REFERENCES), (SAMPLES, len(REFERENCES)))
    differences = []
    for rows in draws.tolist():
        references = [[REFERENCES[row] for row in rows]]
        scores = [chrf.corpus_score([texts[row] for row in rows], references).score for texts in (GOOD, SIMILAR)]
        differences.append(scores[0] - scores[1])
    worse = sum(difference * np.sign(comparison.difference) <= 0 for difference in differences)
    assert comparison.bootstrap == (worse + 1) / (SAMPLES + 1)
    ordered = sorted(differences)
    assert comparison.interval == pytest.approx((ordered[5], ordered[-6]))


def test_the_randomisation_equals_scores_of_exchanged_texts() -> None:
    bleu = METRICS["bleu"]
    first, second = (count(bleu, texts, REFERENCES) for texts in (GOOD, SIMILAR))
    differences = exchanged_differences(first, second, SAMPLES, SEED)
    coins = np.random.default_rng(SEED).integers(2, size=(SAMPLES, len(REFERENCES)), dtype=bool)
    for difference, flips in zip(differences, coins.tolist(), strict=True):
        pairs = [(b, a) if flip else (a, b) for a, b, flip in zip(GOOD, SIMILAR, flips, strict=True)]
        scores = [bleu.corpus_score(list(texts), [REFERENCES]).score for texts in zip(*pairs, strict=True)]
        assert difference == pytest.approx(scores[0] - scores[1], abs=1e-9)


def test_the_randomisation_approximates_all_exchanges() -> None:
    """Four sentences have 16 exchanges, all of which are computed."""
    ter = METRICS["ter"]
    first, second = (count(ter, texts[:4], REFERENCES[:4]) for texts in (GOOD, BAD))
    observed = abs(first.score() - second.score())
    extreme = 0
    for flips in product([0, 1], repeat=4):
        exchanged = np.array(flips)[:, None]
        sums = [(a.rows * (1 - exchanged) + b.rows * exchanged).sum(0) for a, b in ((first, second), (second, first))]
        extreme += abs(first.scores(sums[0][None])[0] - first.scores(sums[1][None])[0]) >= observed
    assert compare(first, second, 4000, 7).randomisation == pytest.approx(extreme / 16, abs=0.03)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_equals_sacrebleus(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", str(SEED))
    low, high = score_interval(count(METRICS[name], GOOD, REFERENCES), SAMPLES, SEED)
    theirs = text_metrics(False)[name].corpus_score(GOOD, [REFERENCES], n_bootstrap=SAMPLES)
    assert (high - low) / 2 == pytest.approx(theirs._ci, abs=1e-4)


def test_sums_are_those_of_the_drawn_rows() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    draws = np.random.default_rng(3).integers(0, 6, (50, 6))
    assert np.array_equal(resample_sums(rows, 50, 3), rows[draws].sum(1))


def test_chunks_of_draws_have_the_same_number_of_distinct_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.eye(10)
    monkeypatch.setattr(significance, "MAX_DRAWS", 35)
    sums = resample_sums(rows, 500, 1)
    assert sums.shape == (500, 10)
    assert (sums.sum(1) == 10).all()
    assert len(np.unique(sums, axis=0)) > 490
    first = Statistics(METRICS["ter"], np.array([[1.0, 4.0]] * 10))
    assert len(exchanged_differences(first, first, 500, 1)) == 500


def test_the_interval_excludes_a_fortieth_at_each_end() -> None:
    assert central_interval(np.random.default_rng(0).permutation(np.arange(80.0))) == Interval(2, 77)
    assert central_interval(np.array([5.0])) == Interval(5, 5)
