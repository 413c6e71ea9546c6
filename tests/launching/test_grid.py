"""Sweeps with failing jobs, with a launcher that runs nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra._internal.core_plugins import basic_sweeper
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from seqvise.errors import RunFailedError, UserError
from seqvise.launching import launcher
from seqvise.launching.grid import sweep
from seqvise.launching.launcher import launch
from seqvise.launching.local import JobOutcome, LocalJob
from seqvise.launching.sweep import SweepFailedError

OVERRIDES = ["trainer.devices=1", "seed=1,2,3"]


def config(folder: Path, **more: Any) -> Any:
    hydra = {
        "sweep": {"dir": str(folder), "subdir": "${hydra.job.num}"},
        "overrides": {"task": OVERRIDES, "hydra": []},
        "sweeper": {"params": None},
        "job": {"num": "???", "config_name": "train"},
        "runtime": {"config_sources": []},
        "hydra_logging": None,
        "verbose": False,
    }
    trainer = {"accelerator": "cpu", "devices": 1}
    monitor = {"metric": "val/bleu"}
    content = {"hydra": hydra, "logger": None, "trainer": trainer, "monitor": monitor, "resume": None, "retry": None}
    return OmegaConf.create({**content, **more})


class FailingLauncher:
    """Launcher whose second job fails."""

    def __init__(self) -> None:
        self.launched: list[tuple[int, list[str]]] = []

    def launch(self, batch: Any, initial_job_idx: int) -> list[JobReturn]:
        results = []
        for number, overrides in enumerate(batch, initial_job_idx):
            self.launched.append((number, list(overrides)))
            result = JobReturn(status=JobStatus.FAILED if number == 1 else JobStatus.COMPLETED)
            result.return_value = RuntimeError("out of memory") if number == 1 else 1.0
            results.append(result)
        return results


@pytest.mark.parametrize("batch", [None, 1])
def test_the_jobs_after_a_failed_one_are_run(tmp_path: Path, batch: int | None) -> None:
    sweeper: Any = basic_sweeper.BasicSweeper(max_batch_size=batch)  # Hydra loads it again
    sweeper.config, sweeper.launcher = config(tmp_path), FailingLauncher()
    sweeper.hydra_context = SimpleNamespace(config_loader=None)
    with pytest.raises(SweepFailedError, match=r"^1 of 3 jobs failed. job 1: RuntimeError: out of memory."):
        sweep(sweeper, OVERRIDES)
    assert sweeper.launcher.launched == [(n, ["trainer.devices=1", f"seed={n + 1}"]) for n in range(3)]
    assert (tmp_path / "multirun.yaml").is_file()


class RayLauncher:
    """Raises, as third-party launchers do if one of their processes is killed."""

    __module__ = "hydra_plugins.hydra_ray_launcher.ray_launcher"

    def launch(self, batch: Any, initial_job_idx: int) -> list[JobReturn]:
        raise RuntimeError("The worker died\nunexpectedly.")


def test_an_aborting_launcher_is_reported_in_one_sentence(tmp_path: Path) -> None:
    sweeper: Any = basic_sweeper.BasicSweeper(max_batch_size=None)
    sweeper.config, sweeper.launcher = config(tmp_path), RayLauncher()
    sweeper.hydra_context = SimpleNamespace(config_loader=None)
    message = r"RayLauncher aborted the sweep \(RuntimeError: The worker died unexpectedly\). Resume with the same"
    with pytest.raises(RunFailedError, match=message):
        sweep(sweeper, OVERRIDES)


def start_jobs(
    monkeypatch: pytest.MonkeyPatch, cfg: Any, jobs: list[list[str]]
) -> tuple[list[LocalJob], list[JobReturn]]:
    """The jobs that a local launcher starts, and the results of all jobs."""
    launched: list[LocalJob] = []

    def run(pending: list[LocalJob], *_: Any) -> list[JobOutcome]:
        launched.extend(pending)
        return [JobOutcome(job.number, value=0.5) for job in pending]

    monkeypatch.setattr(launcher, "run_jobs", run)
    options = SimpleNamespace(jobs=None, devices=[], devices_per_job=None, threads=None, config=cfg)
    options.task_function, options.hydra_context = run, SimpleNamespace(config_loader=None)
    return launched, launch(options, jobs, 0)


def write_run(folder: Path, status: str, overrides: list[str]) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(overrides)))
    (folder / "status.json").write_text(status)
    (folder / "metrics.json").write_text('{"val/bleu": 12.5}')


@pytest.mark.parametrize(
    ("resume", "retry", "numbers"), [("auto", None, [2, 3, 4]), ("auto", "failed", [1, 2, 3, 4]), (None, None, None)]
)
def test_only_unfinished_jobs_are_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: str | None, retry: str | None, numbers: list[int] | None
) -> None:
    write_run(tmp_path / "0", '{"status": "ok"}', ["seed=1"])
    write_run(tmp_path / "1", '{"status": "failed", "why": "no", "interrupted": false}', ["seed=2"])
    write_run(tmp_path / "2", '{"status": "failed", "why": "interrupted", "interrupted": true}', ["seed=3"])
    write_run(tmp_path / "3", '{"status": "ok"}', ["seed=9"])
    resuming = ["resume=auto"] if resume else []
    jobs = [[f"seed={seed}", *resuming] for seed in range(1, 6)]
    ran, results = start_jobs(monkeypatch, config(tmp_path, resume=resume, retry=retry), jobs)
    assert [job.number for job in ran] == ([*range(5)] if numbers is None else numbers)
    if resume:
        assert results[0].return_value == 12.5
    if resume and not retry:
        with pytest.raises(RunFailedError, match="no"):
            _ = results[1].return_value
    assert results[4].return_value == 0.5


def test_jobs_that_share_a_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "job_folder", lambda *_: tmp_path)
    with pytest.raises(UserError, match=r"Several jobs of the sweep would write into"):
        start_jobs(monkeypatch, config(tmp_path), [["seed=1"], ["seed=2"]])
