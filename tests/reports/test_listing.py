"""Finding, filtering and sorting runs."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from seqvise.errors import UserError
from seqvise.reports.job import Job
from seqvise.reports.listing import (
    Condition,
    conditions,
    existing_values,
    filter_runs,
    find_runs,
    runs_grid,
    sort_runs,
)
from tests.reports.folders import make_run, running


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Four runs, three of them finished."""
    folder = tmp_path / "outputs"
    for number, (name, model, data, bleu, seconds) in enumerate(
        [
            ("runs/rnn/a", "rnn", "tatoeba", 10.0, 50.0),
            ("runs/full/b", "full", "tatoeba", 30.0, 10.0),
            ("sweeps/models/c/0", "full", "multi30k", 20.0, 90.0),
        ]
    ):
        make_run(
            folder / name,
            {"optimizer": {"lr": 0.001}, "test": True},
            {"val/bleu": bleu, "val/loss": 1 / bleu, "val/nan": float("nan")},
            {"model": model, "data": data, "experiment": "None"},
            (f"model={model}", "optimizer.lr=1e-3"),
            {"status": "ok", "started": 1000.0 * number, "written": 1000.0 * number + seconds},
        )
    make_run(folder / "runs/full/d", status=running(), environment={"device": "NVIDIA H100"})
    make_run(folder / "cache/x")
    (folder / "find_lr/rnn/e/.hydra").mkdir(parents=True)
    make_run(folder / "runs/rnn/a/averaged-best")
    return folder


def names(jobs: list[Job]) -> str:
    return "".join(job.path.name for job in jobs)


def test_runs_are_found_but_not_within_runs_and_caches(outputs: Path) -> None:
    assert names(find_runs(outputs)) == "bda0"


@pytest.mark.parametrize(
    ("by", "order"), [("date", "d0ba"), ("duration", "0dab"), ("val/bleu", "b0ad"), ("val/loss", "b0ad")]
)
def test_runs_are_sorted(outputs: Path, by: str, order: str) -> None:
    assert names(sort_runs(find_runs(outputs), by)) == order


def test_nan_is_last(outputs: Path) -> None:
    assert names(sort_runs(find_runs(outputs), "val/nan")) == names(find_runs(outputs))


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (["model=full"], "b0"),
        (["model=full,data=tatoeba"], "b"),
        (["model=full", "data=multi30k"], "0"),
        (["optimizer.lr=1e-3"], "ba0"),
        (["optimizer.lr=x"], ""),
        (["test=true"], "ba0"),
        (["status=running"], "d"),
        (["device=NVIDIA H100"], "d"),
        ([], "bda0"),
    ],
)
def test_runs_are_filtered(outputs: Path, where: list[str], kept: str) -> None:
    assert names(filter_runs(find_runs(outputs), conditions(where))) == kept


def test_a_comma_in_a_value_does_not_end_it() -> None:
    assert conditions(["betas=[0.9, 0.99], model=rnn"]) == [
        Condition("betas", "[0.9, 0.99]"),
        Condition("model", "rnn"),
    ]


def test_invalid_conditions_and_folders_are_refused(outputs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="where: 'model' is not key=value"):
        conditions(["model"])
    with pytest.raises(UserError, match="no run has the key modle; known are model"):
        filter_runs(find_runs(outputs), conditions(["modle=rnn"]))
    with pytest.raises(UserError, match="sort=val/blue: no run has this metric; known are val/bleu"):
        sort_runs(find_runs(outputs), "val/blue")
    with pytest.raises(UserError, match="nowhere does not exist"):
        find_runs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="contains no run directory"):
        find_runs(tmp_path / "empty")


def test_a_row_describes_a_run(outputs: Path) -> None:
    jobs = filter_runs(find_runs(outputs), conditions(["data=multi30k"]))
    grid = runs_grid(jobs, outputs, "val/loss")
    date = datetime.fromtimestamp(2000.0).strftime("%Y-%m-%d %H:%M")
    assert grid.lines == [
        ["sweeps/models/c/0", "val/bleu 20", "0.05", "ok", "optimizer.lr=1e-3", "full", "1 min 30 s", date, "cpu"]
    ]
    assert grid.head[2] == "val/loss"
    assert "val/bleu" not in runs_grid(jobs, outputs, "val/bleu").head


def test_a_failed_run_is_listed_with_its_reason(tmp_path: Path) -> None:
    make_run(tmp_path / "0", status={"status": "failed", "started": time.time(), "written": 0, "why": "out of\nmemory"})
    assert runs_grid(find_runs(tmp_path), tmp_path, "date").lines[0][2] == "failed: out of memory"


def test_the_existing_values_of_a_condition_are_counted(outputs: Path) -> None:
    wanted = conditions(["model=lstm,status=failed"])
    assert existing_values(find_runs(outputs), wanted) == [
        "model is full in 2, rnn in 1.",
        "status is ok in 3, running in 1.",
    ]


def test_of_many_values_the_most_frequent_are_named(tmp_path: Path) -> None:
    for number in range(11):
        make_run(tmp_path / f"{number:02}", {"seed": max(2, number)})
    (sentence,) = existing_values(find_runs(tmp_path), conditions(["seed=12"]))
    assert sentence == "seed is 2 in 3, 3 in 1, 4 in 1, 5 in 1, 6 in 1, 7 in 1, 8 in 1, 9 in 1, and 1 more."
