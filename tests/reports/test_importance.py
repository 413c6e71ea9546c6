"""Importance of hyperparameters, and its reliability."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from seqvise.reports import importance as importance_module
from seqvise.reports.importance import importance, verdict
from seqvise.reports.report import SweepReport, build_report
from seqvise.reports.sweep import read_sweeps
from tests.reports.folders import make_run


def sweep(folder: Path, results: dict[tuple[float, int], float]) -> SweepReport:
    """A sweep over ``a`` and ``b``."""
    for number, ((a, b), bleu) in enumerate(results.items()):
        make_run(folder / str(number), {"a": a, "b": b}, {"val/bleu": bleu}, overrides=(f"a={a}", f"b={b}"))
    return build_report(read_sweeps([folder]))


def test_the_important_parameter_is_found(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    result = importance(sweep(tmp_path, {(a, b): 10.0 * a + b / 10 for a in range(5) for b in range(4)}))
    assert list(result.parameters) == ["a", "b"]
    assert result.parameters["a"][1].mean > 0.9 > 0.1 > result.parameters["b"][1].mean
    assert result.parameters["a"][0].mean + result.parameters["b"][0].mean == pytest.approx(1.0)
    assert result.score > 0.8
    assert "predicts well" in result.verdict


def test_an_interaction_belongs_to_no_single_parameter(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    result = importance(sweep(tmp_path, {(a, b): float((a < 3) == (b < 3)) for a in range(6) for b in range(6)}))
    assert result.together > 0.5
    assert result.together + sum(alone.mean for _, alone in result.parameters.values()) == pytest.approx(1.0)


def test_importances_of_noise_mean_nothing(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    draw = random.Random(0)
    result = importance(sweep(tmp_path, {(a, b): draw.random() for a in range(5) for b in range(5)}))
    assert result.score < 0.3
    assert result.verdict.endswith("so these importances mean nothing.")


@pytest.mark.parametrize(
    ("score", "part"), [(0.29, "mean nothing"), (0.3, "rough"), (0.7, "well"), (float("nan"), "nothing")]
)
def test_the_verdict_follows_the_score(score: float, part: str) -> None:
    assert part in verdict(score, 9)


def test_too_few_jobs_are_reported(tmp_path: Path) -> None:
    result = importance(sweep(tmp_path, {(a, 0): float(a) for a in range(7)}))
    assert result.verdict == "Importance of hyperparameters needs at least 8 configurations with a result; there are 7."
    assert not result.parameters


def test_equal_results_are_reported(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    result = importance(sweep(tmp_path, {(a, 0): 1.0 for a in range(9)}))
    assert result.verdict.endswith("all configurations have the same result.")


def test_missing_differences_are_reported(tmp_path: Path) -> None:
    assert importance(sweep(tmp_path, {(1, 1): 1.0})).verdict.endswith("no key but seeds differs.")


def test_without_scikit_learn_the_verdict_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance_module, "find_spec", {}.get)
    result = importance(sweep(tmp_path, {(a, 0): float(a) for a in range(9)}))
    assert "pip install 'seqvise[report]'" in result.verdict
