"""Which hyperparameter matters, and whether to believe it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from seqvise.reports import importance as room
from seqvise.reports.importance import importance, verdict
from seqvise.reports.report import SweepReport, build_report
from seqvise.reports.sweep import read_sweeps
from tests.reports.folders import make_run


def sweep(folder: Path, results: dict[tuple[float, int], float]) -> SweepReport:
    """A sweep over ``a`` and ``b``."""
    for number, ((a, b), bleu) in enumerate(results.items()):
        make_run(folder / str(number), {"a": a, "b": b}, {"val/bleu": bleu}, overrides=(f"a={a}", f"b={b}"))
    return build_report(read_sweeps([folder]))


def test_what_matters_is_found(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = importance(sweep(tmp_path, {(a, b): 10.0 * a + b / 10 for a in range(5) for b in range(4)}))
    assert list(found.parameters) == ["a", "b"]
    assert found.parameters["a"][1].mean > 0.9 > 0.1 > found.parameters["b"][1].mean
    assert found.parameters["a"][0].mean + found.parameters["b"][0].mean == pytest.approx(1.0)
    assert found.score > 0.8
    assert "predicts well" in found.verdict


def test_an_interaction_is_no_parameters_own(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = importance(sweep(tmp_path, {(a, b): float((a < 3) == (b < 3)) for a in range(6) for b in range(6)}))
    assert found.together > 0.5
    assert found.together + sum(alone.mean for _, alone in found.parameters.values()) == pytest.approx(1.0)


def test_noise_is_said_to_mean_nothing(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    draw = random.Random(0)
    found = importance(sweep(tmp_path, {(a, b): draw.random() for a in range(5) for b in range(5)}))
    assert found.score < 0.3
    assert found.verdict.endswith("so these importances mean nothing.")


@pytest.mark.parametrize(
    ("score", "told"), [(0.29, "mean nothing"), (0.3, "rough"), (0.7, "well"), (float("nan"), "nothing")]
)
def test_the_verdict_follows_the_score(score: float, told: str) -> None:
    assert told in verdict(score, 9)


def test_too_few_jobs_are_told(tmp_path: Path) -> None:
    found = importance(sweep(tmp_path, {(a, 0): float(a) for a in range(7)}))
    assert found.verdict == "Importance of hyperparameters needs at least 8 configurations with a result; there are 7."
    assert not found.parameters


def test_the_same_result_everywhere_is_told(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = importance(sweep(tmp_path, {(a, 0): 1.0 for a in range(9)}))
    assert found.verdict.endswith("all configurations have the same result.")


def test_no_difference_is_told(tmp_path: Path) -> None:
    assert importance(sweep(tmp_path, {(1, 1): 1.0})).verdict.endswith("no key but seeds differs.")


def test_without_scikit_learn_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", {}.get)
    found = importance(sweep(tmp_path, {(a, 0): float(a) for a in range(9)}))
    assert "pip install 'seqvise[report]'" in found.verdict
