"""Baselines against simple computations, on synthetic features."""

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
    zero_shot = protocol()
    labels = np.repeat(np.arange(10), 30)
    inputs, index = features(labels, noise=0.3), np.arange(300) % 30
    seen = np.isin(labels, zero_shot.seen)

    def select(rows: np.ndarray) -> Features:
        return Features(inputs[rows], labels[rows])

    test = {"seen": select(seen & (index < 5)), "held_out": select(~seen & (index < 5))}
    return Contest(select(seen & (index >= 10)), select(seen & (index >= 5) & (index < 10)), test, zero_shot)


def test_ridge_solves_its_equation(contest: Contest) -> None:
    inputs, targets = contest.train.inputs.astype(np.float64), contest.protocol.labels.vectors[contest.train.labels]
    index = 3
    centred, target_mean = inputs - inputs.mean(0), targets.mean(0)
    matrix = centred.T @ centred + STRENGTHS[index] * np.eye(inputs.shape[1])
    weights = np.linalg.solve(matrix, centred.T @ (targets - target_mean))
    expected = centred[:7] @ weights + target_mean
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(
        ridges(contest.train.inputs, targets)[index](contest.train.inputs[:7]), expected, atol=1e-4
    )


def test_ridge_predicts_held_out_labels_but_not_with_random_vectors(contest: Contest) -> None:
    metrics = dict(ridge_metrics(contest))
    draws = [dict(random_metrics(contest, seed)) for seed in range(20)]
    assert metrics["seen/hit@1"] > 0.8
    assert metrics["held_out/hit@1"] > 0.6
    assert min(draw["seen/hit@1"] for draw in draws) > 0.6
    assert np.mean([draw["held_out/hit@1"] for draw in draws]) == pytest.approx(1 / 3, abs=0.2)
    chances = dict(contest.chances())
    assert chances["held_out/hit@1"] == pytest.approx(1 / 3)
    assert chances["held_out_among_all/hit@1"] == pytest.approx(0.1)


def test_softmax_predicts_only_seen_labels(contest: Contest) -> None:
    logits = train_softmax(contest, seed=0, epochs=200)
    metrics = dict(softmax_metrics(contest, logits))
    assert {name.partition("/")[0] for name in metrics} == {"seen"}
    assert metrics["seen/hit@1"] > 0.8
    images = contest.test["seen"]
    correct = logits(images.inputs).argmax(1) == np.searchsorted(contest.protocol.seen, images.labels)
    assert metrics["seen/hit@1"] == pytest.approx(correct.mean())


def test_conse_of_a_certain_classifier_predicts_its_class(contest: Contest) -> None:
    vectors = contest.protocol.labels.vectors

    def oracle(inputs: np.ndarray) -> np.ndarray:
        test_inputs = np.concatenate([part.inputs for part in contest.test.values()])
        labels = np.concatenate([part.labels for part in contest.test.values()])
        rows = [int(np.flatnonzero((test_inputs == row).all(1))[0]) for row in inputs]
        return np.where(labels[rows][:, None] == np.arange(10), 50.0, 0.0).astype(np.float32)

    metrics = dict(conse_metrics(contest, oracle, vectors))
    assert metrics["held_out_among_all/hit@1"] == metrics["seen_among_all/hit@1"] == 1.0
