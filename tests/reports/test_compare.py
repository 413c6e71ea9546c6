"""Comparing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.errors import UserError
from seqvise.reports.compare import compare_runs, read_runs
from tests.reports.folders import make_run


def test_only_differences_are_shown(tmp_path: Path) -> None:
    first = make_run(
        tmp_path / "1", {"lr": 0.1, "same": 1, "extra": None}, {"val/bleu": 12.34567, "epochs": 3}, {"model": "rnn"}
    )
    git = {"revision": "0123456789abcdef", "diff": "+a\n+b"}
    second = make_run(
        tmp_path / "2",
        {"lr": 0.2, "same": 1},
        {"val/bleu": 20.0, "epochs": 3, "note": "x"},
        {"model": "full"},
        environment={"versions": {"torch": "2.11"}, "threads": 2, "git": git, "command": ["x", "hydra.mode=RUN"]},
    )
    grids = compare_runs(read_runs([first, second]))
    assert grids["config"].head == ["", str(first), str(second)]
    assert sorted(grids["config"].lines) == [["extra", "null", "–"], ["lr", "0.1", "0.2"], ["model", "rnn", "full"]]
    environment = {line[0]: line[1:] for line in grids["environment"].lines}
    assert environment.pop("git.changes")[0] == "none"
    assert environment == {"versions.torch": ["2.13.0", "2.11"], "threads": ["–", "2"]}
    assert grids["results"].lines == [["val/bleu", "12.35", "20"], ["note", "–", "x"]]


def test_different_code_changes_are_distinguished(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, environment={"git": {"revision": "0", "diff": diff}})
        for name, diff in (("1", "+a\n+b"), ("2", "+a\n+c"), ("3", ""))
    ]
    (line,) = compare_runs(read_runs(runs))["environment"].lines
    assert line[0] == "git.changes"
    assert line[1].startswith("2 lines (")
    assert len({*line[1:]}) == 3


def test_equal_runs_have_empty_tables(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, {"lr": 0.1}, {"val/bleu": 1.0}) for name in "12"]
    assert [grid.lines for grid in compare_runs(read_runs(runs)).values()] == [[], [], []]


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "1")
    broken = make_run(tmp_path / "2")
    (broken / "env.json").write_text("{")
    with pytest.raises(UserError, match="needs another run: set compare= at least twice"):
        read_runs([run])
    with pytest.raises(UserError, match=r"nowhere is not a run directory\."):
        read_runs([run, tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"env\.json cannot be read"):
        read_runs([run, broken])
