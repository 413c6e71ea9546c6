"""`resume=DIR` with real processes: interrupted, resumed and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqvise.cli.main import main

ROOT = Path(__file__).parents[2]
SMALL = [
    "data.limit=48",
    "data.batch_size=4",
    "data.workers=1",
    "model=attention",
    "model.embedding=12",
    "model.encoder_hidden=6",
    "model.decoder_hidden=12",
    "vectors.dim=12",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.limit_val_batches=1",
    "test=false",
    "logger=none",
]
TWO = ["trainer=ddp_cpu", "trainer.devices=2", "data.batch_size=2"]
SLOW = """
import os, sys, time
import pytorch_lightning as pl

class Slow(pl.Callback):
    def __init__(self, seconds=0.1):
        self.seconds = seconds

    def on_train_batch_start(self, trainer, *_):
        os.write(sys.stdout.fileno(), f"step {trainer.global_step}\\n".encode())
        time.sleep(self.seconds)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resumed")
    (folder / "slow.py").write_text(SLOW)
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "train.py"), *words]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def train(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=here, env=environment(), capture_output=True, text=True, check=False)


def stopped(here: Path, words: Sequence[str], step: int, signum: int) -> int:
    """Sends a signal when training reaches a step, and returns the exit code."""
    slow = ["+callbacks.extra.slow._target_=slow.Slow"]
    process = subprocess.Popen(
        command(*words, *slow),
        cwd=here,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == f"step {step}":
            process.send_signal(signum)
            break
    process.stdout.read()
    return process.wait(60)


def weights(run: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def status(run: Path) -> dict[str, object]:
    status: dict[str, object] = json.loads((run / "status.json").read_text())
    return status


@pytest.fixture(scope="module", params=[[], TWO], ids=["one", "two"])
def alone(here: Path, request: pytest.FixtureRequest) -> tuple[list[str], Path]:
    """Words, and the run that nothing happens to."""
    run = here / f"alone{len(request.param)}"
    done = train(here, *SMALL, *request.param, f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    return request.param, run


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_resumed_run_reaches_the_same_weights(
    here: Path, alone: tuple[list[str], Path], signum: int, code: int
) -> None:
    words, expected = alone
    if words and signum != signal.SIGTERM:
        pytest.skip("one signal for two processes")
    run = here / f"stopped{signum}{len(words)}"
    assert stopped(here, [*SMALL, *words, f"hydra.run.dir={run}"], 16, signum) == code
    assert status(run)["interrupted"] is True
    assert 16 <= torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] <= 18
    begun_with = (run / ".hydra" / "overrides.yaml").read_text()
    done = train(here, f"resume={run}", "trust=true")
    assert done.returncode == 0, done.stderr
    assert not any(warned in done.stderr for warned in ("not resumable", "not empty")), done.stderr
    assert status(run)["status"] == "ok"
    assert (run / ".hydra" / "overrides.yaml").read_text() == begun_with
    for name, weight in weights(expected).items():
        assert torch.equal(weights(run)[name], weight), name


def test_invalid_resumes_are_refused(
    here: Path, alone: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, run = alone
    if words:
        pytest.skip("said once")
    refusals: list[tuple[list[str], str]] = [
        ([f"hydra.run.dir={run}"], "already has a run"),
        ([f"resume={run}"], "has already finished. To train it longer, add trainer.max_epochs"),
        ([f"resume={here}"], "is not a run directory"),
        ([f"resume={run}", "optimizer.lr=0.125", "trainer.max_epochs=3"], "optimizer.lr: 0.002 -> 0.125"),
        ([f"resume={run}", "trainer.max_epochs=3"], "schedule.extend"),
        (["-m", f"resume={run}", "seed=1,2"], "resume=auto"),
    ]
    before = weights(run)
    monkeypatch.chdir(here)
    for overrides, sentence in refusals:
        monkeypatch.setattr(sys, "argv", ["seqvise", "train", *overrides])
        assert main() in (1, 2), overrides
        assert sentence in capsys.readouterr().err, overrides
    assert all(torch.equal(weight, before[name]) for name, weight in weights(run).items())


def test_a_finished_run_can_be_trained_longer(here: Path, alone: tuple[list[str], Path]) -> None:
    words, run = alone
    if words:
        pytest.skip("done once")
    done = train(here, f"resume={run}", "trainer.max_epochs=3", "schedule.extend=true")
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 3


def test_auto_starts_resumes_and_skips_finished_runs(here: Path) -> None:
    sweep = ["-m", *SMALL, "trainer.max_epochs=1", "seed=1,2", "resume=auto", f"hydra.sweep.dir={here / 'sweep'}"]
    assert train(here, *sweep).returncode == 0
    first, second = here / "sweep" / "0", here / "sweep" / "1"
    written = status(first)["written"]
    (second / "status.json").write_text('{"status": "running"}')
    expected = weights(second)
    done = train(here, *sweep)
    assert done.returncode == 0, done.stderr
    assert status(first)["written"] == written
    assert status(second)["status"] == "ok"
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(second).items())


def test_a_locked_folder_is_not_changed(here: Path) -> None:
    run = here / "busy"
    process = subprocess.Popen(
        command(
            *SMALL,
            "+callbacks.extra.slow._target_=slow.Slow",
            "+callbacks.extra.slow.seconds=5",
            f"hydra.run.dir={run}",
        ),
        cwd=here,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for(lambda: (run / "status.json").is_file())
    done = train(here, f"resume={run}", "trust=true")
    process.kill()
    assert done.returncode == 2
    assert "Another process trains in" in done.stderr


def wait_for(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there() and time.monotonic() < end:
        time.sleep(0.05)
    assert there()
