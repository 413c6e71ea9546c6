"""Stored sweeps: their report equals the report of the sweep folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from results.__main__ import main
from results.page import SUMMARY
from results.sweeps import SweepRecord, load_sweeps, read_sweep
from seqvise.errors import UserError
from seqvise.reports.grid import results_grid
from seqvise.reports.importance import importance
from seqvise.reports.report import build_report
from seqvise.reports.sweep import read_sweeps
from tests.reports.events import write_events
from tests.reports.folders import make_run, rates, running, write_json

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
BLEU = {(10.0**-power, seed): 20.0 + power + seed for power in range(1, 9) for seed in (1, 2)}
OVERRIDES = ["optimizer.lr=choice(1,2)", "seed=1,2", "data=tatoeba", "paths.data=/home/me/data"]


def write_sweep(folder: Path) -> Path:
    sweep = rates(folder, {**BLEU, (1.0, 1): None})
    status = json.loads((sweep / "16" / "status.json").read_text())
    write_json(sweep / "16" / "status.json", {**status, "why": f"{status['why']}; look into {sweep}/16/train.log."})
    (sweep / "multirun.yaml").write_text(yaml.safe_dump({"hydra": {"overrides": {"task": OVERRIDES}}}))
    write_events(sweep / "3", "val/bleu", [(5, 1.0), (10, 2.5)])
    return sweep


def test_a_stored_sweep_has_the_report_of_its_folder(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates")
    stored = read_sweep(sweep, "by day")
    stored.save(tmp_path / "results" / "sweeps" / "mine.json")
    (loaded,) = load_sweeps(tmp_path / "results")
    report = build_report(read_sweeps([sweep]))
    assert results_grid(loaded.report) == results_grid(report)
    assert [job.reason() for job, _ in loaded.report.troubles()] == ["CUDA out of memory; look into train.log."]
    assert loaded.jobs[3]["curve"] == [[5, 1.0], [10, 2.5]]
    assert (loaded.name, loaded.note, loaded.minutes) == ("mine", "by day", 24.0)
    assert loaded.command == "python train.py -m 'optimizer.lr=choice(1,2)' seed=1,2 data=tatoeba"
    original, again = importance(report), loaded.stored_importance()
    assert (again.verdict, list(again.parameters)) == (original.verdict, ["optimizer.lr"])
    assert again.parameters["optimizer.lr"][1] == pytest.approx(original.parameters["optimizer.lr"][1], rel=1e-4)


def test_a_sweep_is_added_and_shown(tmp_path: Path) -> None:
    results, sweep = tmp_path / "results", write_sweep(tmp_path / "rates")
    assert main(["add", str(sweep), "--name", "mine"], results) == 0
    assert main([], results) == 0
    assert "| mine | 17 | optimizer.lr=1e-08 | val/bleu | 29.5 | `python" in (tmp_path / SUMMARY).read_text()
    folder = tmp_path / "docs" / "results"
    page = (folder / "sweeps.md").read_text()
    assert "### mine\n\n9 configurations, 16 of 17 jobs done, largest val/bleu first.\n" in page
    assert "| 1 | 1e-08 | 29.50 ± 0.71 |" in page
    assert "| optimizer.lr |" in page
    figures = [part.split(")")[0] for part in page.split("](")[1:]]
    names = ("curves", "parallel", "importance")
    assert figures == [f"../../results/pictures/sweep-mine-{name}.svg" for name in names]
    assert all((folder / figure).read_text().startswith("<?xml") for figure in figures)
    # Figures of a removed sweep are removed.
    (results / "sweeps" / "mine.json").unlink()
    assert main([], results) == 0
    assert not list((results / "pictures").glob("*.svg"))
    assert not (folder / "sweeps.md").exists()


def test_a_sweep_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates")
    make_run(sweep / "17", {"seed": 3}, status=running())
    with pytest.raises(UserError, match="rates/17 is neither finished nor failed"):
        read_sweep(sweep)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "other.json").write_text('{"name": "other"}')
    with pytest.raises(UserError, match="is not a sweep of `python -m results add`"):
        SweepRecord.load(tmp_path / "sweeps" / "other.json")
