"""What Lightning finds when it starts the other processes of a job, and what the next job finds."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import read_write

from seqvise.config.schema import register
from seqvise.config.tree import conf_folder
from seqvise.runs.launch import LEFT_BEHIND, launching

JOB = ["model=rnn", "optimizer.lr=0.003"]


@pytest.fixture
def start_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts Hydra into the state it has inside a job, in the given mode, of a program called with ``sweep words``."""

    def start(mode: str) -> None:
        with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            cfg = hydra.compose("train", overrides=[*JOB, f"hydra.mode={mode}"], return_hydra_config=True)
        with read_write(cfg.hydra):
            cfg.hydra.runtime.output_dir = str(tmp_path / "3")
            cfg.hydra.overrides.task = JOB
        HydraConfig.instance().set_config(cfg)

    for name in LEFT_BEHIND:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["train.py", "sweep", "words"])
    register()
    yield start
    HydraConfig.instance().cfg = None


def test_a_single_run_starts_its_processes_with_its_own_words(start_job: Callable[[str], None]) -> None:
    start_job("RUN")
    with launching(["seqvise", "train"], ["seed=5"]):
        assert sys.argv == ["seqvise", "train", "sweep", "words", "seed=5"]
    assert sys.argv == ["train.py", "sweep", "words"]


def test_a_job_of_a_sweep_starts_its_processes_as_a_single_run(
    tmp_path: Path, start_job: Callable[[str], None]
) -> None:
    start_job("MULTIRUN")
    with launching(["train.py"]):
        assert sys.argv == ["train.py", *JOB, "hydra.mode=RUN"]
        assert HydraConfig.get().run.dir == str(tmp_path / "3")


def test_the_next_job_finds_no_trace_of_this_one(
    start_job: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_job("RUN")
    monkeypatch.setenv("MASTER_PORT", "4242")
    with launching(["train.py"]):
        os.environ.update(LOCAL_RANK="0", WORLD_SIZE="2", MASTER_PORT="1", PL_GLOBAL_SEED="0")
    assert sys.argv == ["train.py", "sweep", "words"]
    assert os.environ["MASTER_PORT"] == "4242"
    assert not {"LOCAL_RANK", "WORLD_SIZE", "PL_GLOBAL_SEED"} & set(os.environ)
