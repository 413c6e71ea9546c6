"""The lowest live rank detects a hung rank and ends the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from seqvise.launching.watchdog import FOLDER, Watchdog

RANK = """
import sys, time
from pathlib import Path
from seqvise.launching.ranks import Ranks

Ranks(Path(sys.argv[1]), minutes=0.1).begin()
time.sleep(120)
"""


def refuse(why: str, _pids: Sequence[int]) -> None:
    raise AssertionError(why)


def write_heartbeat(folder: Path, rank: int, text: str) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / str(rank)).write_text(text)


def test_a_rank_is_silent_after_its_last_heartbeat(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path, 0, 1.0, refuse)
    start = watchdog._checked_at
    for seconds in range(0, 130, 10):
        write_heartbeat(tmp_path, 1, f"here 1 {min(seconds, 30)}")
        write_heartbeat(tmp_path, 2, f"here 2 {seconds}")
        assert watchdog.silent(start + seconds) == ([1] if seconds > 90 else []), seconds


def test_files_of_a_killed_job_do_not_count_as_silent_ranks(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path, 0, 1.0, refuse)
    write_heartbeat(tmp_path, 1, "here 1 7")
    assert not any(watchdog.silent(watchdog._checked_at + 10) for _ in range(30))


def test_a_rank_that_has_ended_is_not_silent(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path, 0, 1.0, refuse)
    for count in range(3):
        write_heartbeat(tmp_path, 1, f"here 1 {count}")
        assert watchdog.silent(watchdog._checked_at + 10) == []
    (tmp_path / FOLDER / "1").unlink()
    assert not any(watchdog.silent(watchdog._checked_at + 10) for _ in range(30))


def test_no_rank_is_silent_after_the_whole_job_was_suspended(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path, 0, 1.0, refuse)
    for count in range(3):
        write_heartbeat(tmp_path, 1, f"here 1 {count}")
        watchdog.silent(watchdog._checked_at + 10)
    assert watchdog.silent(watchdog._checked_at + 3600) == []
    silent = [watchdog.silent(watchdog._checked_at + 10) for _ in range(8)]
    assert silent == [[]] * 6 + [[1]] * 2


def test_heartbeats_are_removed_at_the_end(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path, 3, 1.0, refuse)
    watchdog.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / FOLDER / "3").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / FOLDER / "3").read_text().split()[1] == str(os.getpid())
    watchdog.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("stopped", "acting"), [(1, 0), (0, 1)])
@pytest.mark.timeout(180)
def test_a_stopped_rank_ends_the_job(tmp_path: Path, stopped: int, acting: int) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(tmp_path)],
            env=os.environ | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        files = [tmp_path / FOLDER / str(rank) for rank in range(2)]
        deadline = time.monotonic() + 60
        while not all(file.is_file() and int(file.read_text().split()[2]) >= 3 for file in files):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ranks[stopped].send_signal(signal.SIGSTOP)
        assert [rank.wait(60) for rank in ranks] == [-signal.SIGKILL] * 2
    finally:
        for rank in ranks:
            rank.kill()
    why = json.loads((tmp_path / "status.json").read_text())["why"]
    assert f"rank {stopped} (" in why
    assert "no heartbeat for 0.1 minutes (trainer.timeout)" in why
    assert ranks[acting].communicate()[1].startswith(f"seqvise: rank {stopped} (")


TRAINING = (
    *("data=phrasebook", "data.limit=60", "data.batch_size=10", "model.embedding=8", "model.encoder_hidden=6"),
    *("model.decoder_hidden=8", "trainer=ddp_cpu", "trainer.devices=2", "trainer.max_epochs=6", "trainer.timeout=0.05"),
    *("callbacks.save_steps=2", "callbacks.progress=false", "callbacks.samples=0", "logger=none", "test=false"),
)


def train(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys; from seqvise.cli.main import main; sys.exit(main())", "train"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEQVISE_OUTPUTS": str(folder)}
    return subprocess.Popen([*command, *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def process_of(run: Path, rank: int, training: subprocess.Popen[str]) -> int:
    """The process of a rank that has been alive for a while and has a checkpoint to go back to."""
    file, until = run / FOLDER / str(rank), time.monotonic() + 120
    written = (run / "checkpoints" / "last.ckpt", run / "progress.jsonl", file)
    while not (all(path.is_file() for path in written) and int(file.read_text().split()[2]) > 3):
        assert training.poll() is None, training.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    return int(file.read_text().split()[1])


@pytest.mark.parametrize("stopped", [0, 1])
@pytest.mark.timeout(300)
def test_a_training_with_a_stopped_rank_ends_and_can_be_resumed(tmp_path: Path, stopped: int) -> None:
    run = tmp_path / "run"
    training = train(tmp_path, *TRAINING, f"hydra.run.dir={run}")
    process = process_of(run, stopped, training)
    try:
        os.kill(process, signal.SIGSTOP)
        assert training.wait(60) == -signal.SIGKILL
        until = time.monotonic() + 60
        while any(is_alive(int(file.read_text().split()[1])) for file in (run / FOLDER).iterdir()):
            assert time.monotonic() < until, "a rank is left"
            time.sleep(0.1)
    finally:
        training.kill()
        if is_alive(process):
            os.kill(process, signal.SIGKILL)
    status = json.loads((run / "status.json").read_text())
    assert status["status"] == "failed"
    assert f"rank {stopped} (" in status["why"]
    assert "sent no heartbeat for 0.05 minutes (trainer.timeout)" in status["why"]
    assert json.loads((run / "progress.jsonl").read_text().splitlines()[-1]).get("epoch", 0) < 6
    resumed = train(tmp_path, f"resume={run}", "trainer.timeout=10")
    _, errors = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, errors
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 6
    assert not (run / FOLDER).exists()


def is_alive(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
