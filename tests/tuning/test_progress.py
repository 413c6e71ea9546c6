"""Reading the files of a run, complete or incomplete."""

from __future__ import annotations

import json
from pathlib import Path

from seqvise.tuning.progress import failure_reason, progress, result


def test_a_repeated_validation_counts_once_with_its_later_value(tmp_path: Path) -> None:
    assert progress(tmp_path, "a") == []
    lines = [{"step": 5, "a": 1.0}, {"step": 10, "a": 2.0}, {"step": 15, "b": 9.0}, {"step": 10, "a": 2.5}]
    (tmp_path / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 20, "a": 3')
    assert progress(tmp_path, "a") == [1.0, 2.5]


def test_only_a_finished_run_has_a_result(tmp_path: Path) -> None:
    assert result(tmp_path, "a") is None
    (tmp_path / "metrics.json").write_text('{"a": 2}')
    for status, value in (("running", None), ("failed", None), ("ok", 2.0)):
        (tmp_path / "status.json").write_text(json.dumps({"status": status}))
        assert result(tmp_path, "a") == value
    assert result(tmp_path, "b") is None
    (tmp_path / "metrics.json").write_text("{")
    assert result(tmp_path, "a") is None


def test_the_failure_reason_is_in_the_status_or_else_the_last_line(tmp_path: Path) -> None:
    log = tmp_path / "trial.log"
    assert failure_reason(tmp_path, log) == ""
    log.write_text("loading\nseqvise: optimizer.lr is  0.\n\n")
    assert failure_reason(tmp_path, log) == "optimizer.lr is 0."
    (tmp_path / "status.json").write_text('{"status": "failed", "why": "no\\ndisk"}')
    assert failure_reason(tmp_path, log) == "no disk"
