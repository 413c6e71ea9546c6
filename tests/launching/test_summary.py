"""The last lines of a sweep."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra._internal.core_plugins import basic_sweeper

from seqvise.launching.grid import sweep
from seqvise.launching.summary import SweepJob, summary
from seqvise.launching.sweep import SweepFailedError
from tests.launching.test_grid import FailingLauncher, config
from tests.reports.folders import make_run

FAILED = {"status": "failed", "why": "out of memory"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep_config(folder: Path, mode: str = "max", epochs: str = "trainer.max_epochs=3") -> Any:
    cfg = config(folder, monitor={"metric": "val/bleu", "mode": mode})
    cfg.hydra.overrides = {"task": ["data=tatoeba", "seed=1,2,3", epochs], "hydra": ["hydra.mode=MULTIRUN"]}
    cfg.trainer.max_epochs = 3
    cfg.schedule = {"extend": False}
    return cfg


def jobs(folder: Path, values: list[float | None]) -> list[SweepJob]:
    """Jobs with these results; None is a job that has failed."""
    for number, value in enumerate(values):
        metrics = None if value is None else {"val/bleu": value}
        make_run(folder / str(number), metrics=metrics, status=FAILED if value is None else None)
    return [SweepJob(n, folder / str(n), ["data=tatoeba", f"seed={n + 1}"]) for n in range(len(values))]


def test_a_finished_sweep_names_its_best_job_and_the_next_commands(here: Path) -> None:
    (here / "my sweep" / "tensorboard").mkdir(parents=True)
    ended = jobs(here / "my sweep", [1.0, 12.345, 3.0])
    assert list(summary(sweep_config(here / "my sweep"), ended)) == [
        "3 of 3 jobs done: my sweep",
        "best job     1, seed=2: largest val/bleu, 12.35",
        "its folder   my sweep/1",
        "varied       seed=1,2,3",
        "fixed        data=tatoeba trainer.max_epochs=3",
        "report       seqvise report 'sweep=my sweep' 'output=my sweep/report'",
        "resume best  seqvise train 'resume=my sweep/1' trainer.max_epochs=6 schedule.extend=true",
        "TensorBoard  tensorboard --logdir 'my sweep/tensorboard'",
    ]


def test_the_smallest_value_is_best_with_mode_min(here: Path) -> None:
    lines = list(summary(sweep_config(here / "s", "min"), jobs(here / "s", [math.nan, 2.0, 3.0])))
    assert "best job     1, seed=2: smallest val/bleu, 2" in lines


def test_a_sweep_that_varies_its_length_has_no_longer_length(here: Path) -> None:
    lines = list(summary(sweep_config(here / "s", epochs="trainer.max_epochs=3,4"), jobs(here / "s", [1.0, 2.0])))
    assert not any(line.startswith("resume") for line in lines)


def test_unfinished_jobs_are_resumed_in_their_folder(here: Path) -> None:
    ended = [*jobs(here / "s", [1.0, None]), SweepJob(2, here / "s" / "2", ["seed=3"])]
    lines = list(summary(sweep_config(here / "s"), ended))
    assert lines[0] == "1 of 3 jobs done: s"
    resume = "seqvise train -m data=tatoeba seed=1,2,3 trainer.max_epochs=3 hydra.sweep.dir=s resume=auto retry=failed"
    assert f"resume      {resume}" in lines


def test_a_sweep_in_which_no_job_has_started_prints_nothing(here: Path) -> None:
    assert list(summary(sweep_config(here / "s"), [SweepJob(0, here / "s" / "0", ["seed=1"])])) == []


@pytest.mark.parametrize(("module", "printed"), [("seqvise.cli.train", True), ("seqvise.cli.prepare", False)])
def test_only_trainings_have_a_summary(
    here: Path, module: str, printed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    sweeper: Any = basic_sweeper.BasicSweeper(max_batch_size=None)
    sweeper.config, sweeper.launcher = sweep_config(here / "s"), FailingLauncher()
    sweeper.hydra_context = SimpleNamespace(config_loader=None)
    sweeper.task_function = SimpleNamespace(__module__=module)
    jobs(here / "s", [4.0, None, 5.0])
    with pytest.raises(SweepFailedError):
        sweep(sweeper, ["data=tatoeba", "seed=1,2,3"])
    assert ("best job    2, seed=3: largest val/bleu, 5" in capsys.readouterr().out) is printed
