"""Both tests against plain computations and cases whose outcome is known."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from seqvise.metrics import significance
from seqvise.metrics.significance import (
    Interval,
    compare,
    exchanged_differences,
    middle,
    resampled,
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


def spoiled(texts: list[str], share: float, seed: int) -> list[str]:
    """The texts with a share of the words replaced."""
    random = np.random.default_rng(seed)
    return [" ".join("zzz" if random.random() < share else word for word in text.split()) for text in texts]


REFERENCES = corpus(40, 0)
GOOD, BAD = spoiled(REFERENCES, 0.15, 1), spoiled(REFERENCES, 0.6, 2)
LIKE = spoiled(REFERENCES, 0.15, 3)


@pytest.mark.parametrize("name", METRICS)
def test_a_system_does_not_differ_from_itself(name: str) -> None:
    counts = count(METRICS[name], GOOD, REFERENCES)
    found = compare(counts, counts, SAMPLES, SEED)
    assert (found.difference, found.interval) == (0, (0, 0))
    assert (found.bootstrap, found.randomisation) == (1, 1)


@pytest.mark.parametrize("name", METRICS)
def test_a_system_that_is_always_better_has_the_smallest_p(name: str) -> None:
    good, bad = (count(METRICS[name], texts, REFERENCES) for texts in (GOOD, BAD))
    found = compare(good, bad, SAMPLES, SEED)
    assert (found.bootstrap, found.randomisation) == (1 / (SAMPLES + 1), 1 / (SAMPLES + 1))
    assert found.difference == good.score() - bad.score()
    assert (found.difference < 0) is (name == "ter")
    assert found.interval.low < found.difference < found.interval.high
    assert found.interval.low * found.interval.high > 0


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_the_two_does_not_matter(name: str) -> None:
    first, second = (count(METRICS[name], texts, REFERENCES) for texts in (GOOD, LIKE))
    one, other = compare(first, second, SAMPLES, SEED), compare(second, first, SAMPLES, SEED)
    assert other.difference == -one.difference
    assert other.interval == (-one.interval.high, -one.interval.low)
    assert (other.bootstrap, other.randomisation) == (one.bootstrap, one.randomisation)
    assert one.bootstrap > 0.02
    assert one.randomisation > 0.05


def test_the_bootstrap_is_the_plain_one() -> None:
    """The same draws, each corpus put together and scored from its text."""
    chrf = METRICS["chrf"]
    first, second = (count(chrf, texts, REFERENCES) for texts in (GOOD, LIKE))
    found = compare(first, second, SAMPLES, SEED)
    places = np.random.default_rng(SEED).integers(0, len(REFERENCES), (SAMPLES, len(REFERENCES)))
    differences = []
    for drawn in places.tolist():
        wanted = [[REFERENCES[place] for place in drawn]]
        scores = [chrf.corpus_score([texts[place] for place in drawn], wanted).score for texts in (GOOD, LIKE)]
        differences.append(scores[0] - scores[1])
    worse = sum(difference * np.sign(found.difference) <= 0 for difference in differences)
    assert found.bootstrap == (worse + 1) / (SAMPLES + 1)
    ordered = sorted(differences)
    assert found.interval == pytest.approx((ordered[5], ordered[-6]))


def test_the_randomisation_is_the_plain_one() -> None:
    bleu = METRICS["bleu"]
    first, second = (count(bleu, texts, REFERENCES) for texts in (GOOD, LIKE))
    found = exchanged_differences(first, second, SAMPLES, SEED)
    coins = np.random.default_rng(SEED).integers(2, size=(SAMPLES, len(REFERENCES)), dtype=bool)
    for difference, flips in zip(found, coins.tolist(), strict=True):
        pairs = [(b, a) if flip else (a, b) for a, b, flip in zip(GOOD, LIKE, flips, strict=True)]
        scores = [bleu.corpus_score(list(texts), [REFERENCES]).score for texts in zip(*pairs, strict=True)]
        assert difference == pytest.approx(scores[0] - scores[1], abs=1e-9)


def test_the_randomisation_comes_near_to_all_exchanges() -> None:
    """Of four sentences all 16 exchanges can be tried."""
    ter = METRICS["ter"]
    first, second = (count(ter, texts[:4], REFERENCES[:4]) for texts in (GOOD, BAD))
    observed = abs(first.score() - second.score())
    as_far = 0
    for flips in product([0, 1], repeat=4):
        chosen = np.array(flips)[:, None]
        sums = [(a.rows * (1 - chosen) + b.rows * chosen).sum(0) for a, b in ((first, second), (second, first))]
        as_far += abs(first.scores(sums[0][None])[0] - first.scores(sums[1][None])[0]) >= observed
    assert compare(first, second, 4000, 7).randomisation == pytest.approx(as_far / 16, abs=0.03)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_is_sacrebleus_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", str(SEED))
    low, high = score_interval(count(METRICS[name], GOOD, REFERENCES), SAMPLES, SEED)
    theirs = text_metrics(False)[name].corpus_score(GOOD, [REFERENCES], n_bootstrap=SAMPLES)
    assert (high - low) / 2 == pytest.approx(theirs._ci, abs=1e-4)


def test_sums_are_those_of_the_rows_drawn() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    places = np.random.default_rng(3).integers(0, 6, (50, 6))
    assert np.array_equal(resampled(rows, 50, 3), rows[places].sum(1))


def test_draws_in_parts_are_as_many_and_as_random(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.eye(10)
    monkeypatch.setattr(significance, "ROOM", 35)
    sums = resampled(rows, 500, 1)
    assert sums.shape == (500, 10)
    assert (sums.sum(1) == 10).all()
    assert len(np.unique(sums, axis=0)) > 490
    first = Statistics(METRICS["ter"], np.array([[1.0, 4.0]] * 10))
    assert len(exchanged_differences(first, first, 500, 1)) == 500


def test_a_fortieth_is_cut_off_at_each_end() -> None:
    assert middle(np.random.default_rng(0).permutation(np.arange(80.0))) == Interval(2, 77)
    assert middle(np.array([5.0])) == Interval(5, 5)
