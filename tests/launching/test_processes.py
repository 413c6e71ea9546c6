"""The state in which Lightning starts the other processes of a job, and the state after the job."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import read_write
from pytorch_lightning.strategies.launchers import subprocess_script

from seqvise.config.schema import register
from seqvise.config.search_path import conf_folder
from seqvise.launching.processes import in_sweep, job_argv, launching

JOB = ["model=rnn", "optimizer.lr=0.003"]


@pytest.fixture
def start_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets Hydra's state to that of a job in a mode, in a program called with ``sweep words``."""

    def start(mode: str) -> None:
        with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            cfg = hydra.compose("train", overrides=[*JOB, f"hydra.mode={mode}"], return_hydra_config=True)
        with read_write(cfg.hydra):
            cfg.hydra.runtime.output_dir = str(tmp_path / "3")
            cfg.hydra.overrides.task = JOB
            cfg.hydra.overrides.hydra = ["hydra.verbose=true", "hydra.sweep.dir=there", "hydra.mode=MULTIRUN"]
            if mode == "MULTIRUN":
                cfg.hydra.job.num, cfg.hydra.job.id = 3, "3"
        HydraConfig.instance().set_config(cfg)

    monkeypatch.setattr(sys, "argv", ["train.py", "sweep", "words"])
    register()
    yield start
    HydraConfig.instance().cfg = None


def test_a_single_run_starts_its_processes_with_its_own_arguments(start_job: Callable[[str], None]) -> None:
    start_job("RUN")
    with launching(["seqvise", "train"], ["seed=5"]):
        assert sys.argv == ["seqvise", "train", "sweep", "words", "seed=5"]
    assert sys.argv == ["train.py", "sweep", "words"]


def test_a_job_of_a_sweep_starts_its_processes_as_a_single_run(
    tmp_path: Path, start_job: Callable[[str], None]
) -> None:
    start_job("MULTIRUN")
    args = [*JOB, "hydra.verbose=true", "hydra.job.num=3", "hydra.job.id=3", "hydra.mode=RUN"]
    with launching(["train.py"], ["seed=5"]):
        assert sys.argv == ["train.py", *args, "seed=5"]
        lightning: Any = subprocess_script
        command, folder = lightning._hydra_subprocess_cmd(local_rank=1)
    assert command[-len(args) - 3 :] == [
        *args,
        "seed=5",
        f"hydra.run.dir='{tmp_path / '3'}'",
        "hydra.output_subdir=null",
    ]
    assert folder == str(Path.cwd())


def test_a_job_is_in_a_sweep_also_in_a_separate_process_and_a_single_run_is_not(
    start_job: Callable[[str], None],
) -> None:
    start_job("RUN")
    assert not in_sweep()
    start_job("MULTIRUN")
    assert in_sweep()
    args = job_argv(HydraConfig.get(), JOB, 3)
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        alone = hydra.compose("train", overrides=args, return_hydra_config=True)
    HydraConfig.instance().set_config(alone)
    assert in_sweep()


def test_a_job_gets_the_config_dir_of_the_sweep() -> None:
    sources = [
        SimpleNamespace(provider="main", path=str(conf_folder())),
        SimpleNamespace(provider="command-line", path="/own"),
    ]
    node = SimpleNamespace(
        job=SimpleNamespace(config_name="train"),
        overrides=SimpleNamespace(hydra=["hydra/launcher=local", "hydra.launcher.jobs=2"]),
        runtime=SimpleNamespace(config_sources=sources),
    )
    assert job_argv(node, JOB, 0) == [
        "--config-dir=/own",
        *JOB,
        "hydra.job.num=0",
        "hydra.job.id=0",
        "hydra.mode=RUN",
    ]


def test_the_process_is_restored_after_a_job(start_job: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    start_job("RUN")
    monkeypatch.setenv("MASTER_PORT", "4242")
    before, threads = dict(os.environ), torch.get_num_threads()
    with launching(["train.py"]):
        os.environ.update(LOCAL_RANK="0", WORLD_SIZE="2", MASTER_PORT="1", PL_GLOBAL_SEED="0", OMP_NUM_THREADS="7")
        del os.environ["PATH"]
        torch.set_num_threads(threads + 1)
    assert sys.argv == ["train.py", "sweep", "words"]
    assert dict(os.environ) == before
    assert torch.get_num_threads() == threads
