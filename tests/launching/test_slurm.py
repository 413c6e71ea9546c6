"""SLURM sweeps: jobs are checked before submission, a dry run shows the script, and job ids are logged."""

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
from seqvise.launching.slurm import mismatches
from seqvise.launching.sweep import SweepFailedError

CPU = {"accelerator": "cpu", "devices": 1, "num_nodes": 1}
GPU = {**CPU, "accelerator": "gpu"}


class SlurmLauncher:
    """The parts of the plugin's launcher that are used."""

    __module__ = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"

    def __init__(self, cfg: Any, **params: Any) -> None:
        self.config = cfg
        self.hydra_context = SimpleNamespace(config_loader=Loader())
        self.params = {"submitit_folder": "folder/%j", "max_num_timeout": 0, "partition": "short", "nodes": 1, **params}


class Loader:
    """Composes a job whose overrides set the devices."""

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
    basic: Any = basic_sweeper.BasicSweeper(max_batch_size=None)
    basic.config, basic.launcher = cfg, SlurmLauncher(cfg, **launcher)
    basic.hydra_context = SimpleNamespace(config_loader=Loader())
    return basic


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
    messages = list(mismatches(OmegaConf.create(trainer), node))
    assert len(messages) == len(sentences)
    for message, sentence in zip(messages, sentences, strict=True):
        assert sentence in message


@pytest.mark.usefixtures("_cluster")
def test_a_job_with_mismatched_devices_is_refused_before_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    with pytest.raises(UserError) as refused:
        sweep(sweeper(tmp_path), ["trainer.devices=1,2,4"])
    assert [message.rpartition("=")[2] for message in refused.value.messages] == ["2.", "4."]
    assert queue.rows == []
    assert list(tmp_path.iterdir()) == []


def test_without_slurm_the_message_does_not_mention_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError) as refused:
        sweep(sweeper(tmp_path), ["seed=1,2"])
    (message,) = refused.value.messages
    assert "this machine has no sbatch and srun: start the sweep on a login node" in message
    assert "resume" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_cluster")
def test_ids_and_folders_of_jobs_are_logged_and_the_others_continue_after_a_lost_job(
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
def test_jobs_that_slurm_rejects_are_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Queue(monkeypatch, ValueError("sbatch: error: invalid partition specified: short"))
    with pytest.raises(UserError, match=r"invalid partition specified: short.*No job was started"):
        sweep(sweeper(tmp_path), ["seed=1,2"])


def test_a_dry_run_shows_the_script_and_submits_nothing(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch called\n")
        (tmp_path / name).chmod(0o755)
    args = ["train", "-m", "hydra/launcher=slurm", "seed=1,2", "trainer=cpu", "dry_run=true"]
    program = [sys.executable, "-c", "import sys; from seqvise.cli.main import main; sys.exit(main())"]
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    folder = tmp_path / "here"
    folder.mkdir()
    process = subprocess.run(
        [*program, *args, "hydra.launcher.partition=short"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "#SBATCH --partition=short" in process.stdout
    assert "#SBATCH --ntasks-per-node=1" in process.stdout
    assert list(folder.iterdir()) == []
