"""The table: rows, means, deviations and order, computed by hand."""

from __future__ import annotations

import csv
import io
import math
from datetime import datetime
from pathlib import Path

import pytest

from seqvise.errors import UserError
from seqvise.reports.grid import as_csv, as_markdown, jobs_grid, number_text, results_grid, troubles_grid
from seqvise.reports.importance import importance
from seqvise.reports.page import as_markdown_page
from seqvise.reports.report import Result, SweepReport, build_report
from seqvise.reports.sweep import read_sweeps
from seqvise.reports.title import description, title
from tests.reports.folders import age, make_run, rates, running, write_json

RESULTS = {(0.1, 0): 10.0, (0.1, 1): 14.0, (0.01, 0): 30.0, (0.01, 1): 20.0, (0.01, 2): 25.0, (1.0, 0): None}


def report(folder: Path, *metrics: str, mode: str | None = None) -> SweepReport:
    return build_report(read_sweeps([folder]), metrics, mode)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return rates(tmp_path / "sweep", RESULTS)


def test_means_deviations_and_order(sweep: Path) -> None:
    built = report(sweep)
    assert built.differing.parameters == ("optimizer.lr",)
    assert built.differing.seeds == ("data.seed", "seed")
    assert [row.values for row in built.rows] == [(0.01,), (0.1,), (1.0,)]
    assert [row.best.n for row in built.rows] == [3, 2, 0]
    assert built.rows[0].best == Result(25.0, 5.0, 3)
    assert built.rows[1].best.mean == 12.0
    assert built.rows[1].best.deviation == pytest.approx(math.sqrt(8))
    assert built.metrics == ("val/bleu", "val/loss")


def test_the_failed_job_is_listed_with_its_reason(sweep: Path) -> None:
    built = report(sweep)
    assert troubles_grid(built).lines == [["sweep/5", "optimizer.lr=1, seed=0", "failed", "CUDA out of memory"]]
    assert [row.states() for row in built.rows] == ["3 ok", "2 ok", "1 failed"]


def test_the_table_has_the_folders_of_the_jobs_and_its_metric_in_front(sweep: Path, tmp_path: Path) -> None:
    grid = jobs_grid(report(sweep))
    assert grid.head == ["", "val/bleu", "optimizer.lr", "val/loss", "n", "jobs", "folder"]
    assert [line[-1] for line in grid.lines] == ["2, 3, 4", "0, 1", "5"]
    assert grid.lines[0][:3] == ["1", "25.0 ± 5.0", "0.01"]
    assert all(len(line) == len(grid.head) == len(grid.numeric) for line in grid.lines)
    other = rates(tmp_path / "other", {(0.5, 0): 1.0})
    assert jobs_grid(build_report(read_sweeps([sweep, other]))).lines[2][-1] == "other/0"


def test_the_title_names_the_sweep_and_the_description_what_is_fixed(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "2026-11-21_08-00-14_828945"
    for number in (0, 1):
        make_run(
            folder / str(number),
            {"lr": number, "data": {"limit": 9}},
            {"val/bleu": 1.0},
            overrides=("paths.data=/tmp/d", f"lr={number}", "data.limit=9"),
            status={"status": "ok", "started": 1795262400.0 + 86400 * number, "written": 1795359600.0},
        )
    built = report(folder)
    assert title(built) == f"Sweep models, {datetime.fromtimestamp(1795262400).date().isoformat()}"
    assert description(built) == [
        "Fixed: data.limit=9.",
        "val/ metrics are those of each job's best validation epoch, by val/bleu.",
        f"The folder of each job is in {folder}.",
    ]


def test_smaller_is_better_with_mode_min(sweep: Path) -> None:
    loss = report(sweep, "val/loss")
    assert loss.mode == "min"
    assert [row.values[0] for row in loss.rows] == [0.01, 0.1, 1.0]
    assert [row.values[0] for row in report(sweep, "val/loss", mode="max").rows] == [0.1, 0.01, 1.0]
    assert [row.values[0] for row in report(sweep, "val/bleu", mode="min").rows] == [0.1, 0.01, 1.0]


def test_nan_is_last_of_the_results(tmp_path: Path) -> None:
    sweep = rates(tmp_path / "s", {(0.1, 0): math.nan, (0.2, 0): 1.0, (0.3, 0): None, (0.4, 0): 2.0})
    assert [row.values[0] for row in report(sweep).rows] == [0.4, 0.2, 0.1, 0.3]
    assert results_grid(report(sweep)).lines[2][2] == "nan"


def test_running_killed_and_unreadable_jobs_are_listed(sweep: Path) -> None:
    for number in ("0", "2"):
        write_json(sweep / number / "status.json", running())
    age(sweep / "2", 7200)
    (sweep / "4" / "metrics.json").write_text("{")
    (sweep / "5" / "config.yaml").unlink()
    built = report(sweep)
    assert {job.name: job.state() for job, _ in built.troubles()} == {
        "sweep/0": "running",
        "sweep/2": "killed",
        "sweep/4": "unreadable",
        "sweep/5": "failed",
    }
    assert {row.values[0]: row.best.n for row in built.rows} == {0.01: 1, 0.1: 1}
    assert built.troubles()[-1][1] == "optimizer.lr=1.0, seed=0"


def test_rows_of_a_different_machine_are_marked(sweep: Path) -> None:
    changed = {"device": "cuda", "git": {"revision": "0123456789abcdef", "diff": "+x"}, "versions": {"torch": "2.11"}}
    make_run(sweep / "6", {"seed": 1, "optimizer": {"lr": 1.0}}, {"val/bleu": 1.0}, environment=changed)
    built = report(sweep)
    assert [row.marks for row in built.rows] == [(), (), ("a", "b", "c")]
    assert built.marks["a"] == "device cuda; most have cpu"
    assert built.marks["b"] == "torch 2.11; most have 2.13.0"
    assert built.marks["c"].startswith("code 01234567 with changes ")
    assert results_grid(built).head[-1] == "ran on"


def test_a_different_metric_signature_is_marked(sweep: Path) -> None:
    for number in range(5):
        signature = "tok:13a" if number else "tok:intl"
        write_json(sweep / str(number) / "metrics.json", {"val/bleu": 1.0, "signature/bleu": signature})
    assert list(report(sweep).marks.values()) == ["signature/bleu tok:intl; most have tok:13a"]


def test_several_sweeps_are_one_table(tmp_path: Path) -> None:
    first = rates(tmp_path / "one", {(0.1, 0): 1.0})
    second = rates(tmp_path / "two", {(0.1, 1): 3.0, (0.2, 1): 5.0})
    built = build_report(read_sweeps([first, second, first]))
    assert [(row.values[0], row.best) for row in built.rows] == [
        (0.2, Result(5.0, None, 1)),
        (0.1, Result(2.0, math.sqrt(2), 2)),
    ]


def test_jobs_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        make_run(tmp_path / str(number))
    assert [job.path.name for job in read_sweeps([tmp_path])] == ["9", "10", "100"]


def test_all_folders_that_are_not_sweeps_are_reported(tmp_path: Path, sweep: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "multirun.yaml").touch()
    (tmp_path / "file").touch()
    names = ("nowhere", "file", "empty", "sweep/0", ".")
    with pytest.raises(UserError) as refused:
        read_sweeps([tmp_path / name for name in names])
    messages = refused.value.messages
    assert [sentence.partition(":")[0].partition(" ")[2] for sentence in messages[1:3]] == [
        "is a file, but must be the folder of a sweep.",
        "is an empty sweep",
    ]
    assert messages[0].endswith("does not exist.")
    assert messages[3].endswith(f"must be the folder of a sweep, as {sweep}.")
    assert messages[4].endswith(f"sweeps in it are {tmp_path / 'empty'}, {sweep}.")


def test_a_metric_that_no_job_has_is_refused_with_the_known_ones(sweep: Path) -> None:
    with pytest.raises(UserError, match=r"metric=val/blue: no job has it; known are val/bleu, val/loss\."):
        report(sweep, "val/blue")
    with pytest.raises(UserError, match="metric=note: no job has it"):
        report(sweep, "note")


def test_a_sweep_without_a_result_has_a_table(tmp_path: Path) -> None:
    built = report(rates(tmp_path / "s", {(0.1, 0): None}), "val/anything")
    assert built.notes == ("No job has finished yet.",)
    assert results_grid(built).lines == [["", "", "0", "1 failed"]]


def test_jobs_with_different_monitored_metrics_need_a_choice(sweep: Path) -> None:
    make_run(sweep / "9", {"monitor": {"metric": "val/hit@1", "mode": "max"}}, {"val/hit@1": 1.0})
    with pytest.raises(UserError, match="monitored by val/bleu, val/hit@1: choose one"):
        report(sweep)


def test_the_csv_has_full_numbers(sweep: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(report(sweep)))))
    assert lines[0]["optimizer.lr"] == "0.01"
    assert (lines[0]["val/bleu"], lines[0]["val/bleu sd"], lines[0]["val/bleu n"]) == ("25.0", "5.0", "3")
    assert float(lines[1]["val/bleu sd"]) == pytest.approx(math.sqrt(8), rel=1e-12)
    assert (lines[2]["val/bleu"], lines[2]["val/bleu sd"], lines[2]["states"]) == ("", "", "1 failed")
    assert lines[0]["jobs"] == "sweep/2 sweep/3 sweep/4"


def test_the_csv_has_full_parameters(tmp_path: Path) -> None:
    sweep = rates(tmp_path / "s", {(0.00123456789, 0): 1.0, (0.1, 0): 2.0})
    assert [line["optimizer.lr"] for line in csv.DictReader(io.StringIO(as_csv(report(sweep))))] == [
        "0.1",
        "0.00123456789",
    ]


def test_markdown_escapes_cell_separators(tmp_path: Path) -> None:
    sweep = tmp_path / "s"
    for number, text in enumerate(("a|b", "c")):
        make_run(sweep / str(number), {"text": text}, {"val/bleu": float(number)})
    assert as_markdown(results_grid(report(sweep))).splitlines() == [
        "|  | text | val/bleu | n |",
        "| ---: | --- | ---: | ---: |",
        "| 1 | c | 1 | 1 |",
        "| 2 | a\\|b | 0 | 1 |",
    ]


def test_a_page_of_markdown_shows_values_and_reasons_as_text(tmp_path: Path) -> None:
    live = "<img src=x onerror=alert(1)> ![a](http://example.org/a.png) **b**\nc"
    sweep = tmp_path / "s"
    make_run(sweep / "0", {"text": live}, {"val/bleu": 1.0})
    make_run(sweep / "1", {"text": "c"}, {"val/bleu": 2.0})
    make_run(sweep / "2", {"text": "d"}, status={"status": "failed", "started": 1.0, "written": 2.0, "why": live})
    built = report(sweep)
    page = as_markdown_page(built, importance(built), [])
    assert "<" not in page
    assert "![" not in page
    assert "**" not in page
    assert page.count(r"&lt;img src=x onerror=alert(1)> \!\[a\](http://example.org/a.png) \*\*b\*\*") == 2


def test_numbers_keep_four_digits_and_all_before_the_decimal_point() -> None:
    assert [number_text(value) for value in (12345.6, 999.96, 0.000012345, -3.0, math.inf)] == [
        "12,346",
        "1000",
        "1.234e-05",
        "-3",
        "inf",
    ]
