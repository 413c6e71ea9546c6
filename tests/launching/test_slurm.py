"""A sweep that SLURM is to run is checked before the queue, shown by a dry run, and named once it is queued."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hydra._internal.core_plugins import basic_sweeper
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from seqvise.errors import UserError
from seqvise.launching.grid import sweep
from seqvise.launching.slurm import misfits
from seqvise.launching.sweep import SweepFailedError

CPU = {"accelerator": "cpu", "devices": 1, "num_nodes": 1}
GPU = {**CPU, "accelerator": "gpu"}


class SlurmLauncher:
    """The plugin's, as far as it is read."""

    __module__ = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"

    def __init__(self, cfg: Any, **params: Any) -> None:
        self.config = cfg
        self.hydra_context = SimpleNamespace(config_loader=Loader())
        self.params = {"submitit_folder": "folder/%j", "max_num_timeout": 0, "partition": "short", "nodes": 1, **params}


class Loader:
    """Composes a job whose words name the devices."""

    def load_sweep_config(self, cfg: Any, overrides: list[str]) -> Any:
        return OmegaConf.merge(cfg, OmegaConf.from_dotlist(overrides))


def sweeper(folder: Path, dry_run: bool = False, trainer: dict[str, Any] = CPU, **launcher: Any) -> Any:
    hydra = {
        "sweep": {"dir": str(folder / "sweep"), "subdir": "${hydra.job.num}"},
        "overrides": {"task": [], "hydra": []},
        "sweeper": {"params": None},
        "job": {"num": "???"},
        "launcher": {"nodes": 1, "tasks_per_node": 1, "gpus_per_node": 1, **launcher},
    }
    cfg = OmegaConf.create({"hydra": hydra, "logger": None, "trainer": trainer, "resume": None, "dry_run": dry_run})
    found: Any = basic_sweeper.BasicSweeper(max_batch_size=None)
    found.config, found.launcher = cfg, SlurmLauncher(cfg, **launcher)
    found.hydra_context = SimpleNamespace(config_loader=Loader())
    return found


@pytest.fixture
def _cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


class Queue:
    """SLURM and submitit: the second job fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.parameters: dict[str, Any] = {}
        self.rows: list[Any] = []
        self.error = error
        names = ("submitit", "submitit.core", "submitit.core.utils")
        package, core, utils = (ModuleType(name) for name in names)
        vars(utils).update(FailedJobError=ValueError, FailedSubmissionError=KeyError)
        vars(package).update(AutoExecutor=lambda **options: self.parameters.update(options) or self)
        for name, module in zip(names, (package, core, utils), strict=True):
            monkeypatch.setitem(sys.modules, name, module)

    def update_parameters(self, **options: Any) -> None:
        self.parameters |= options

    def map_array(self, _: Any, *columns: Any) -> list[Any]:
        if self.error is not None:
            raise self.error
        self.rows = list(zip(*columns, strict=True))
        return [SimpleNamespace(job_id=f"77_{row[2]}", results=partial(self.results, row[2])) for row in self.rows]

    def results(self, number: int) -> list[JobReturn]:
        if number == 1:
            raise RuntimeError("the node is gone")
        result = JobReturn(status=JobStatus.COMPLETED)
        result.return_value = 0.5
        return [result]


@pytest.mark.parametrize(
    ("trainer", "launcher", "sentences"),
    [
        (CPU, {}, []),
        ({**GPU, "devices": 4}, {"gpus_per_node": 4}, ["tasks_per_node is 1, but trainer.devices is 4"]),
        ({**GPU, "devices": 4}, {"gpus_per_node": 4, "tasks_per_node": 4}, []),
        ({**GPU, "devices": "4"}, {"gpus_per_node": 2, "tasks_per_node": 4}, ["set hydra.launcher.gpus_per_node=4."]),
        ({**GPU, "devices": "auto"}, {"gpus_per_node": 4}, ["set hydra.launcher.tasks_per_node=4."]),
        ({**GPU, "devices": -1}, {"gpus_per_node": None}, []),
        ({**GPU, "devices": [0, 1]}, {"gpus_per_node": 2}, ["set hydra.launcher.tasks_per_node=2."]),
        ({**CPU, "devices": 2}, {"tasks_per_node": 2, "gpus_per_node": None}, []),
        (CPU, {"tasks_per_node": 2}, ["set hydra.launcher.tasks_per_node=1."]),
        ({**CPU, "num_nodes": 2}, {}, ["hydra.launcher.nodes is 1, but trainer.num_nodes is 2"]),
    ],
)
def test_slurm_starts_as_many_processes_as_the_trainer_has(
    trainer: dict[str, Any], launcher: dict[str, Any], sentences: list[str]
) -> None:
    node = {"nodes": 1, "tasks_per_node": 1, "gpus_per_node": 1, **launcher}
    problems = list(misfits(OmegaConf.create(trainer), node))
    assert len(problems) == len(sentences)
    for problem, sentence in zip(problems, sentences, strict=True):
        assert sentence in problem


@pytest.mark.usefixtures("_cluster")
def test_a_job_of_other_devices_is_refused_before_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(monkeypatch)
    with pytest.raises(UserError) as refused:
        sweep(sweeper(tmp_path), ["trainer.devices=1,2,4"])
    assert [problem.rpartition("=")[2] for problem in refused.value.messages] == ["2.", "4."]
    assert queue.rows == []
    assert list(tmp_path.iterdir()) == []


def test_off_a_cluster_nothing_is_said_of_going_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError) as refused:
        sweep(sweeper(tmp_path), ["seed=1,2"])
    (problem,) = refused.value.messages
    assert "this machine has no sbatch and srun: start the sweep on a login node" in problem
    assert "resume" not in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_cluster")
def test_the_ids_and_folders_of_jobs_are_printed_and_a_lost_job_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(monkeypatch)
    caplog.set_level(logging.INFO)
    with pytest.raises(SweepFailedError, match=r"^1 of 3 jobs failed. job 1: RuntimeError: the node is gone."):
        sweep(sweeper(tmp_path, timeout_min=60), ["seed=1,2,3"])
    assert [row[0] for row in queue.rows] == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert queue.parameters["slurm_partition"] == "short"
    assert queue.parameters["timeout_min"] == 60
    lines = [message for message in caplog.messages if "SLURM job" in message]
    assert lines == [f"job {n} is SLURM job 77_{n}: {tmp_path / 'sweep' / str(n)}, seed={n + 1}" for n in range(3)]


@pytest.mark.usefixtures("_cluster")
def test_jobs_that_slurm_does_not_take_are_a_mistake_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Queue(monkeypatch, ValueError("sbatch: error: invalid partition specified: short"))
    with pytest.raises(UserError, match=r"invalid partition specified: short.*None was started"):
        sweep(sweeper(tmp_path), ["seed=1,2"])


def test_a_dry_run_shows_the_script_and_submits_nothing(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch called\n")
        (tmp_path / name).chmod(0o755)
    words = ["train", "-m", "hydra/launcher=slurm", "seed=1,2", "trainer=cpu", "dry_run=true"]
    program = [sys.executable, "-c", "import sys; from seqvise.cli.main import main; sys.exit(main())"]
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    folder = tmp_path / "here"
    folder.mkdir()
    done = subprocess.run(
        [*program, *words, "hydra.launcher.partition=short"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "#SBATCH --partition=short" in done.stdout
    assert "#SBATCH --ntasks-per-node=1" in done.stdout
    assert list(folder.iterdir()) == []
