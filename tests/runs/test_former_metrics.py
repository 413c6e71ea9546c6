"""Runs of an earlier revision that monitor a metric by its former name are read, and resumed without a loss."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from results.curves import read_curves
from seqvise.cli.main import main
from seqvise.cli.train import main as train
from seqvise.config.compose import compose
from seqvise.config.formats import load_config
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.moved import METRICS, current_metrics
from seqvise.reports.curves import learning_curve
from seqvise.reports.job import read_job
from seqvise.runs.directory import read_metrics
from seqvise.tuning.progress import progress, result
from tests.earlier import EARLIER

RUNS = EARLIER.parent / "revision_b352f47" / "runs"
FORMER, NAME = "val/lesson_loss", "val/loss_free_padded"
VALUES = {3: 4.720804, 6: 4.448580, 9: 4.286240, 12: 4.381017}
"""The metric of the uninterrupted run after each validation, as its ``progress.jsonl`` shows it."""
CURVE = {step - 1: value for step, value in VALUES.items()}
"""The same as Lightning's logger counts steps: from 0."""


def raw(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_a_killed_run_that_monitors_a_former_name_resumes_exactly(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, finished = here / "runs" / "killed", RUNS / "finished"
    shutil.copytree(RUNS / "killed", run)
    assert main(["train", f"resume={run}", f"paths.cache={here / 'cache'}"]) == 0
    log = "".join(capsys.readouterr())
    (line,) = (line for line in log.splitlines() if FORMER in line)
    assert line.endswith(f"The run was started by an earlier revision. monitor.metric: {FORMER} is now {NAME}.")
    assert "callbacks used to create the checkpoint need to be provided" not in log

    # The best validation was before the kill: the last one, after it, is worse.
    metrics, expected = raw(run / "metrics.json"), current_metrics(raw(finished / "metrics.json"))
    assert not METRICS.keys() & metrics.keys()
    measured = [name for name in expected if name.startswith(("val/", "test/"))]
    assert {name: metrics[name] for name in measured} == pytest.approx({name: expected[name] for name in measured})
    assert (metrics["epoch"], expected["epoch"]) == (3, 3)
    states = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    best = states[next(key for key in states if key.startswith("Checkpoints{") and repr(NAME) in key)]
    assert float(best["best_model_score"]) == pytest.approx(VALUES[9])
    assert Path(best["best_model_path"]) == run / "checkpoints" / "best.ckpt"
    assert torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["global_step"] == 9
    stopping = states[f"EarlyStopping{{'monitor': '{NAME}', 'mode': 'min'}}"]
    assert float(stopping["best_score"]) == pytest.approx(VALUES[9])
    assert stopping["wait_count"] == 1
    assert float(states["HyperparameterRow"]["best"]) == pytest.approx(VALUES[9])

    # Files with lines of both names have one curve.
    assert dict(learning_curve(read_job(run), NAME)) == pytest.approx(CURVE)
    assert progress(run, NAME) == pytest.approx(list(VALUES.values()))
    assert read_curves(run)[NAME] == pytest.approx(list(VALUES.values()), rel=1e-4)
    assert yaml.safe_load((run / "config.yaml").read_text())["monitor"]["metric"] == NAME


def test_results_of_an_earlier_run_have_the_present_names(capsys: pytest.CaptureFixture[str]) -> None:
    run = RUNS / "finished"
    job = read_job(run)
    assert job.monitored == (NAME, "min")
    assert job.overrides["monitor.metric"] == NAME
    assert not METRICS.keys() & job.metrics.keys()
    assert job.number(NAME) == result(run, NAME) == read_metrics(run)[NAME] == pytest.approx(VALUES[9])
    assert dict(learning_curve(job, NAME)) == pytest.approx(CURVE)
    csv_run = EARLIER / "runs" / "translation"
    assert learning_curve(read_job(csv_run), "val/loss_free")[0] == (2, 4.84214448928833)
    assert load_config(run / "config.yaml").monitor.metric == NAME
    for sort in (NAME, FORMER):
        assert main(["runs", f"folder={run}", f"sort={sort}", f"where=monitor.metric={sort}"]) == 0
        shown = capsys.readouterr().out
        assert f"{NAME} 4.286" in shown
        assert FORMER not in shown


def test_a_report_has_one_column_for_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    for metric in ("val/free_loss", "val/loss_free"):
        assert main(["report", f"sweep={EARLIER / 'sweep'}", f"metric={metric}", "metric=val/loss_free"]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if "val/" in line and "optimizer.lr" in line]
        header = lines[0]
        assert (header.count("val/loss_free"), header.count("val/free_loss")) == (1, 0)


@pytest.mark.parametrize(("former", "name"), METRICS.items())
def test_a_former_name_in_a_config_is_replaced(former: str, name: str) -> None:
    extra = "+callbacks.extra.best={_target_: pytorch_lightning.callbacks.ModelCheckpoint, monitor: NAME}"
    configs = [typed(compose([f"monitor.metric={metric}", extra.replace("NAME", metric)])) for metric in (former, name)]
    assert configs[0] == configs[1]
    mode = "min" if "loss" in name else "max"
    assert (configs[0].monitor.metric, configs[0].monitor.mode) == (name, mode)
    assert configs[0].callbacks.extra["best"]["monitor"] == name


@pytest.mark.usefixtures("here")
def test_an_override_with_a_former_name_is_reported_in_one_line(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train([f"monitor.metric={FORMER}", "dry_run=true", "data.limit=60", "trainer=cpu"]) == 0
    lines = [*caplog.messages, *"".join(capsys.readouterr()).splitlines()]
    assert [line for line in lines if FORMER in line] == [
        f"monitor.metric={FORMER} is now monitor.metric={NAME}; the former name will be removed."
    ]


def test_a_config_file_with_a_former_name_is_reported_in_one_line(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = here / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nmonitor:\n  metric: test/lesson_loss\n")
    cfg = compose(["experiment=mine"])
    assert [message for message in validate(cfg) if "never logged" in message]
    file.write_text(f"# @package _global_\nmonitor:\n  metric: {FORMER}\n  mode: min\n")
    for _ in range(2):
        cfg = compose(["experiment=mine"])
        assert validate(cfg) == []
        assert typed(cfg).monitor.metric == NAME
    assert caplog.messages.count(f"monitor.metric: {FORMER} is now {NAME}; the former name will be removed.") <= 1
