"""Reading run directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.reports.job import duration, read_job
from tests.reports.folders import age, make_run, running, write_json


def test_a_finished_run_is_read(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "a" / "3",
        {"optimizer": {"lr": 0.1, "betas": [0.9, 0.99], "x": "1=2"}},
        {"val/bleu": 20.5, "note": "x", "flag": True},
        {"model": "rnn", "local": "default"},
        ("model=rnn", "+optimizer.x=1=2", "+trainer.unread=3"),
    )
    job = read_job(run)
    assert job.name == "a/3"
    assert job.settings["optimizer.betas"] == "[0.9, 0.99]"
    assert job.choices == {"model": "rnn"}
    assert job.overrides == {"model": "rnn", "optimizer.x": "1=2"}
    assert (job.number("val/bleu"), job.number("note"), job.number("flag"), job.number("no")) == (
        20.5,
        None,
        None,
        None,
    )
    assert (job.state(), job.reason(), job.seconds, job.monitored) == ("ok", "", 90.0, ("val/bleu", "max"))


@pytest.mark.parametrize(("silent_seconds", "state"), [(60, "running"), (29 * 60, "running"), (31 * 60, "killed")])
def test_a_silent_run_counts_as_killed(tmp_path: Path, silent_seconds: int, state: str) -> None:
    run = make_run(tmp_path / "0", status=running())
    age(run, silent_seconds)
    assert read_job(run).state() == state


def test_a_new_checkpoint_shows_that_a_run_is_alive(tmp_path: Path) -> None:
    run = make_run(tmp_path / "0", status=running())
    (run / "checkpoints").mkdir()
    age(run, 7200)
    assert read_job(run).reason() == "status is running, but nothing was written for 2 h"
    (run / "checkpoints" / "last.ckpt").touch()
    assert read_job(run).state() == "running"


def test_states_and_reasons(tmp_path: Path) -> None:
    failed = make_run(tmp_path / "0", status={"status": "failed", "why": "loss is\nNaN"}, metrics={"val/bleu": 1.0})
    stopped = make_run(tmp_path / "1", status={"status": "failed", "why": "interrupted", "interrupted": True})
    (tmp_path / "2" / ".hydra").mkdir(parents=True)
    assert [read_job(tmp_path / name).state() for name in "012"] == ["failed", "interrupted", "never started"]
    assert read_job(failed).reason() == "loss is NaN"
    assert read_job(failed).number("val/bleu") is None
    assert read_job(stopped).seconds is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", '{"val/bleu": 1', "metrics.json cannot be read"),
        ("status.json", "[]", "status.json does not contain names and values."),
        ("config.yaml", "a: [1", "config.yaml cannot be read"),
        ("config.yaml", "a: \udcff", "config.yaml cannot be read"),
        ("env.json", "", "env.json cannot be read"),
        (".hydra/overrides.yaml", "a: 1", "overrides.yaml does not contain a list."),
    ],
)
def test_a_corrupt_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    run = make_run(tmp_path / "0", metrics={"val/bleu": 1.0})
    (run / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    job = read_job(run)
    assert job.state() == "unreadable"
    assert message in job.reason()
    assert "\n" not in job.reason()
    assert job.number("val/bleu") is None


def test_nan_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "0")
    write_json(run / "metrics.json", {"val/loss": float("nan")})
    assert str(read_job(run).number("val/loss")) == "nan"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (11520, "3 h 12 min"), (183600, "2 d 3 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
