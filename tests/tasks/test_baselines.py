"""Baselines against plain computations, on made-up features."""

from __future__ import annotations

import numpy as np
import pytest

from seqvise.tasks.baselines import (
    STRENGTHS,
    Contest,
    Features,
    conse_metrics,
    random_metrics,
    ridge_metrics,
    ridges,
    softmax_metrics,
    train_softmax,
)
from tests.tasks.made_up import features, protocol


@pytest.fixture(scope="module")
def contest() -> Contest:
    rounds = protocol()
    every = np.repeat(np.arange(10), 30)
    inputs, place = features(every, noise=0.3), np.arange(300) % 30
    seen = np.isin(every, rounds.seen)

    def part(chosen: np.ndarray) -> Features:
        return Features(inputs[chosen], every[chosen])

    test = {"seen": part(seen & (place < 5)), "held_out": part(~seen & (place < 5))}
    return Contest(part(seen & (place >= 10)), part(seen & (place >= 5) & (place < 10)), test, rounds)


def test_ridge_is_the_solution_of_its_equation(contest: Contest) -> None:
    inputs, targets = contest.train.inputs.astype(np.float64), contest.protocol.labels.vectors[contest.train.labels]
    place = 3
    centred, middle = inputs - inputs.mean(0), targets.mean(0)
    matrix = centred.T @ centred + STRENGTHS[place] * np.eye(inputs.shape[1])
    weights = np.linalg.solve(matrix, centred.T @ (targets - middle))
    plain = centred[:7] @ weights + middle
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(ridges(contest.train.inputs, targets)[place](contest.train.inputs[:7]), plain, atol=1e-4)


def test_ridge_finds_labels_and_random_vectors_only_seen_ones(contest: Contest) -> None:
    found = dict(ridge_metrics(contest))
    draws = [dict(random_metrics(contest, seed)) for seed in range(20)]
    assert found["seen/hit@1"] > 0.8
    assert found["held_out/hit@1"] > 0.6
    assert min(draw["seen/hit@1"] for draw in draws) > 0.6
    assert np.mean([draw["held_out/hit@1"] for draw in draws]) == pytest.approx(1 / 3, abs=0.2)
    chances = dict(contest.chances())
    assert chances["held_out/hit@1"] == pytest.approx(1 / 3)
    assert chances["held_out_among_all/hit@1"] == pytest.approx(0.1)


def test_softmax_knows_seen_labels_alone(contest: Contest) -> None:
    logits = train_softmax(contest, seed=0, epochs=200)
    found = dict(softmax_metrics(contest, logits))
    assert {name.partition("/")[0] for name in found} == {"seen"}
    assert found["seen/hit@1"] > 0.8
    images = contest.test["seen"]
    right = logits(images.inputs).argmax(1) == np.searchsorted(contest.protocol.seen, images.labels)
    assert found["seen/hit@1"] == pytest.approx(right.mean())


def test_conse_of_a_sure_classifier_is_its_class(contest: Contest) -> None:
    vectors = contest.protocol.labels.vectors

    def oracle(inputs: np.ndarray) -> np.ndarray:
        every = np.concatenate([part.inputs for part in contest.test.values()])
        labels = np.concatenate([part.labels for part in contest.test.values()])
        rows = [int(np.flatnonzero((every == row).all(1))[0]) for row in inputs]
        return np.where(labels[rows][:, None] == np.arange(10), 50.0, 0.0).astype(np.float32)

    found = dict(conse_metrics(contest, oracle, vectors))
    assert found["held_out_among_all/hit@1"] == found["seen_among_all/hit@1"] == 1.0
