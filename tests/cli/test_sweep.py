"""Sweeps with real processes: what every rank of a job has and sees, and what becomes of jobs that fail."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqvise.cli.support.hydra_command import for_hydra, joins_running_job
from seqvise.cli.train import main as hydra_main

pytestmark = pytest.mark.timeout(600)  # a dozen processes, each of which loads torch
ROOT = Path(__file__).parents[2]
PAIRS = 48
SMALL = [
    f"data.limit={PAIRS}",
    "data.batch_size=4",
    "model=rnn",
    "model.embedding=12",
    "model.encoder_hidden=6",
    "model.decoder_hidden=12",
    "vectors.dim=12",
    "trainer=ddp_cpu",
    "trainer.max_epochs=1",
    "trainer.limit_val_batches=1",
    "monitor.metric=val/loss",
    "monitor.mode=min",
    "+callbacks.extra.watch._target_=watch.Watch",
]
QUIET = [*SMALL, "logger=none"]
WATCH = """
import json, os, signal
from pathlib import Path
import pytorch_lightning as pl

class Watch(pl.Callback):
    def __init__(self, fault="none"):
        self.fault = fault
        self.rows = []

    def on_train_batch_start(self, trainer, task, batch, index):
        self.rows += batch.rows.tolist()
        if trainer.global_step == 2 and trainer.global_rank == 1 and "FAULTLESS" not in os.environ:
            if self.fault == "crash":
                raise RuntimeError("a wheel came off")
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)

    def on_train_end(self, trainer, task):
        seen = {
            "rows": self.rows,
            "world": trainer.world_size,
            "lr": task.hparams["optimizer.lr"],
            "seed": task.hparams["seed"],
            "folder": trainer.default_root_dir,
        }
        Path(f"seen-{Path(trainer.default_root_dir).name}-{trainer.global_rank}.json").write_text(json.dumps(seen))
"""
# Draws a rate for each job, and writes down what each finds of the one before, and leaves.
DRAWS = """
import json, os, random, sys
from pathlib import Path
import torch
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

JOBS = [("2", "none"), ("1", "none"), ("2", "crash"), ("2", "none")]

class Draws(Sweeper):
    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def state(self):
        left = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        return {"env": left, "argv": sys.argv, "threads": torch.get_num_threads(),
                "group": torch.distributed.is_initialized()}

    def sweep(self, arguments):
        results = {"before": self.state(), "after": [], "values": [], "rates": []}
        for number, (devices, fault) in enumerate(JOBS):
            rate = random.SystemRandom().uniform(1e-4, 1e-2)
            words = [f"optimizer.lr={rate}", "seed=null", f"trainer.devices={devices}"]
            words.append(f"+callbacks.extra.watch.fault={fault}")
            (result,) = self.launcher.launch([[*arguments, *words]], initial_job_idx=number)
            try:
                results["values"].append(result.return_value)
            except Exception as error:
                results["values"].append(str(error))
            results["rates"].append(rate)
            results["after"].append(self.state())
        Path("results.json").write_text(json.dumps(results))
"""


def train(here: Path, *words: str, start: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", **variables}
    environment["PYTHONPATH"] = os.pathsep.join([str(here), environment.get("PYTHONPATH", "")])
    command = [sys.executable, *start, str(ROOT / "train.py"), *words]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=500)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def ranks(here: Path, job: int | str) -> list[dict[str, Any]]:
    return [read(path) for path in sorted(here.glob(f"seen-{job}-*.json"))]


@dataclass(frozen=True)
class Swept:
    """A folder with a sweep, the sweep's process, and the values that its sweeper recorded."""

    here: Path
    done: subprocess.CompletedProcess[str]
    results: dict[str, Any]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Four jobs of two, one, two and two processes within the process of the sweep, the third of which fails."""
    here = tmp_path_factory.mktemp("drawn")
    (here / "watch.py").write_text(WATCH)
    (here / "hydra_plugins").mkdir()
    (here / "hydra_plugins" / "draws.py").write_text(DRAWS)
    (here / "conf" / "hydra" / "sweeper").mkdir(parents=True)
    (here / "conf" / "hydra" / "sweeper" / "draws.yaml").write_text("_target_: hydra_plugins.draws.Draws\n")
    words = ["hydra/sweeper=draws", "hydra/launcher=basic", "hydra.sweep.dir=sweep"]
    done = train(here, "-m", *SMALL, *words)
    assert (here / "results.json").exists(), done.stderr
    return Swept(here, done, read(here / "results.json"))


@pytest.mark.parametrize(("job", "world"), [(0, 2), (1, 1), (3, 2)])
def test_every_rank_has_the_sampled_values_and_its_shard(drawn: Swept, job: int, world: int) -> None:
    seen = ranks(drawn.here, job)
    assert [rank["world"] for rank in seen] == [world] * world
    assert {rank["lr"] for rank in seen} == {drawn.results["rates"][job]}
    assert len({rank["seed"] for rank in seen}) == 1
    assert {rank["folder"] for rank in seen} == {str(drawn.here / "sweep" / str(job))}
    assert sorted(row for rank in seen for row in rank["rows"]) == list(range(PAIRS))


def test_there_is_one_folder_a_job_and_no_other(drawn: Swept) -> None:
    assert sorted(path.name for path in (drawn.here / "sweep").iterdir() if path.is_dir()) == ["0", "1", "2", "3"]
    assert sorted(path.name for path in (drawn.here / "outputs").iterdir()) == ["cache"]
    assert [read(drawn.here / "sweep" / job / "metrics.json")["world_size"] for job in "013"] == [2, 1, 2]


def test_a_job_leaves_nothing_for_the_next(drawn: Swept) -> None:
    for after in drawn.results["after"]:
        assert after == drawn.results["before"]


def test_the_sweeper_gets_the_monitored_metric_and_failures(drawn: Swept) -> None:
    values = drawn.results["values"]
    for job in (0, 1, 3):
        assert values[job] == read(drawn.here / "sweep" / str(job) / "metrics.json")["val/loss"]
    assert "a wheel came off" in values[2]


def test_a_crash_in_one_rank_is_recorded_with_its_reason(drawn: Swept) -> None:
    status = read(drawn.here / "sweep" / "2" / "status.json")
    assert status["status"] == "failed"
    assert status["why"] == "rank 1: a wheel came off"
    assert "a wheel came off" in (drawn.here / "sweep" / "2" / "train.log").read_text()


LOCAL = [
    *SMALL,
    "+callbacks.extra.watch.fault=kill,none",
    "trainer.devices=2",
    "hydra.launcher.jobs=2",
    "hydra.sweep.dir=sweep",
]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Two jobs of two processes each at a time, one rank of which is killed."""
    here = tmp_path_factory.mktemp("local")
    (here / "watch.py").write_text(WATCH)
    return Swept(here, again(here, []), {})


def again(here: Path, more: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return train(here, "-m", *LOCAL, *more, **variables)


def test_a_killed_rank_ends_only_its_job(local: Swept) -> None:
    assert local.done.returncode == 1
    status = read(local.here / "sweep" / "0" / "status.json")
    assert (status["status"], status["interrupted"]) == ("failed", False)
    assert "rank 1 was killed by SIGKILL" in status["why"]
    assert read(local.here / "sweep" / "1" / "status.json")["status"] == "ok"
    assert "1 of 2 jobs failed. job 0: rank 1 was killed by SIGKILL" in local.done.stderr
    assert "job 1 done in" in local.done.stderr


def test_jobs_are_logged_and_named_by_their_overrides(local: Swept) -> None:
    assert "job 0 starts: +callbacks.extra.watch.fault=kill\n" in local.done.stderr
    links = sorted((local.here / "sweep" / "tensorboard").iterdir())
    assert [link.name for link in links] == [
        "0,fault=kill",
        "1,fault=none",
    ]
    assert list(links[1].glob("events.out.tfevents.*"))


def test_nothing_is_chosen_by_the_test_part(local: Swept) -> None:
    assert not any(name.startswith("test/") for name in read(local.here / "sweep" / "1" / "metrics.json"))


def test_a_restarted_sweep_follows_resume_and_retry(
    local: Swept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(local.here)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert hydra_main(["-m", *LOCAL]) == 2
    assert "already holds a sweep" in capsys.readouterr().err
    assert hydra_main(["-m", *LOCAL, "resume=auto"]) == 1
    errors = capsys.readouterr().err
    assert "2 jobs, 0 of them to run" in errors
    assert "1 of 2 jobs failed. job 0: rank 1 was killed by SIGKILL" in errors

    written = read(local.here / "sweep" / "1" / "status.json")["written"]
    done = again(local.here, ["resume=auto", "retry=failed"], FAULTLESS="1")
    assert done.returncode == 0, done.stderr
    assert "2 jobs, 1 of them to run" in done.stderr
    assert read(local.here / "sweep" / "0" / "status.json")["status"] == "ok"
    assert read(local.here / "sweep" / "1" / "status.json")["written"] == written


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


def by_hand(port: int, node: str) -> dict[str, Any]:
    return {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "NODE_RANK": node}


def by_torchrun(port: int, node: str) -> dict[str, Any]:  # noqa: ARG001
    group = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"]
    return {"start": ["-m", "torch.distributed.run", *group, "--rdzv-id=both"]}


def by_slurm(port: int, node: str) -> dict[str, Any]:
    """The environment variables that srun sets for each task."""
    tasks = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_NODELIST": "localhost"}
    mine = {"SLURM_PROCID": node, "SLURM_NODEID": node, "SLURM_LOCALID": "0"}
    job = {"SLURM_JOB_ID": "17", "SLURM_JOB_NAME": "train", "SLURM_STEP_ID": "0"}
    return {**tasks, **mine, **job, "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}


@pytest.mark.parametrize(
    ("started", "run"), [(by_hand, "run"), (by_torchrun, "torchrun-both"), (by_slurm, "slurm-17-0")]
)
def test_two_nodes_train_one_run(tmp_path: Path, started: Callable[[int, str], dict[str, Any]], run: str) -> None:
    (tmp_path / "watch.py").write_text(WATCH)
    words = [*QUIET, "trainer.devices=1", "trainer.num_nodes=2", "seed=null"]
    words += ["hydra.run.dir=run"] if run == "run" else []
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        nodes = list(pool.map(lambda node: train(tmp_path, *words, **started(port, node)), "01"))
    assert [node.returncode for node in nodes] == [0, 0], nodes[0].stderr + nodes[1].stderr
    seen = ranks(tmp_path, run)
    assert [rank["world"] for rank in seen] == [2, 2]
    assert len({rank["seed"] for rank in seen}) == 1
    folder = tmp_path / run if run == "run" else tmp_path / "outputs" / "runs" / "rnn" / run
    assert {rank["folder"] for rank in seen} == {str(folder)}
    assert sorted(row for rank in seen for row in rank["rows"]) == list(range(PAIRS))
    assert read(folder / "metrics.json")["world_size"] == 2
    # Only rank 0 prints the run; torchrun decides which process has rank 0.
    assert sorted(bool(node.stdout) for node in nodes) == [False, True]


@pytest.mark.parametrize(("rank", "joins"), [("0", False), ("1", True)])
def test_only_the_first_process_keeps_hydras_files(monkeypatch: pytest.MonkeyPatch, rank: str, joins: bool) -> None:
    for name, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": "0", "TORCHELASTIC_RUN_ID": "mine"}.items():
        monkeypatch.setenv(name, value)
    assert joins_running_job(["seed=1"]) is joins


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["-m", "seed=1,2"], "A sweep starts the processes of its jobs itself"), ([], "must share one run directory")],
)
def test_externally_started_processes_need_a_common_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert hydra_main(words) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trainer=gpu", "trainer.devices=1,3", "hydra.launcher.devices=[0,1]"], "A job needs 3 CUDA devices"),
        (["seed=1,2", "hydra/launcher=slurm"], "hydra/launcher=slurm needs hydra-submitit-launcher: pip install"),
        (["seed=1,2", "hydra/launcher=ray"], "hydra/launcher=ray needs hydra-ray-launcher: pip install 'seqvise[ray]'"),
        (["seed=1,2", "retry=all"], "retry is 'all', but must be failed"),
        (
            ["experiment=lesson11/rnn,multi30k/transformer", "model.heads=4"],
            "This is job experiment=lesson11/rnn of the",
        ),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_any_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("seqvise.launching.grid.find_spec", lambda _: None)
    assert hydra_main(["-m", *words]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert ("This is job" in errors) is ("experiment" in words[0])
    assert list(tmp_path.glob("outputs/sweeps/*/*/*/")) == []


def test_a_key_that_only_the_swept_models_have_is_accepted() -> None:
    words = [
        "-m",
        "experiment=lesson11/attention,lesson11/teacher_forcing",
        "model.heads=4",
        "seed=3",
        "optimizer.lr=1,2",
    ]
    assert for_hydra(words) == [*words[:2], "model.heads=choice(4)", *words[3:]]
    assert for_hydra(["-m", "optimizer.lr=1,2", "model.cell=lstm"]) == ["-m", "optimizer.lr=1,2", "model.cell=lstm"]
    assert for_hydra(["model=rnn", "model.heads=4"]) == ["model=rnn", "model.heads=4"]
