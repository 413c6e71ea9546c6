"""The other processes of a job, with real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqvise.launching import ranks
from seqvise.launching.ranks import Ranks, describe_exit
from seqvise.runs.directory import record_failure


def process(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("import sys; sys.exit(3)", "rank 1 ended with exit code 3."),
        (
            "import os; os.kill(os.getpid(), 9)",
            "rank 1 was killed by SIGKILL (the system does so when memory runs out).",
        ),
        ("import sys; sys.exit(143)", None),
        ("import time; time.sleep(30)", None),
    ],
)
def test_the_process_that_failed_first_is_reported(tmp_path: Path, code: str, failure: str | None) -> None:
    watched = Ranks(tmp_path)
    started = process(code)
    watched._processes = [started]
    if "sleep" not in code:
        started.wait()
    assert watched.failure() == failure
    started.kill()


def test_the_reason_that_a_process_recorded_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    record_failure(tmp_path, "a wheel came off")
    monkeypatch.delenv("LOCAL_RANK")
    record_failure(tmp_path, "Connection closed by peer")
    assert json.loads((tmp_path / "status.json").read_text())["why"] == "rank 1: a wheel came off"
    watched = Ranks(tmp_path)
    watched._processes = [process("import sys; sys.exit(1)")]
    watched._processes[0].wait()
    assert watched.failure() == "rank 1: a wheel came off"


def test_the_reason_of_the_first_failed_process_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_failure(tmp_path, "no space left")
    monkeypatch.setenv("LOCAL_RANK", "1")
    record_failure(tmp_path, "Connection closed by peer")
    assert json.loads((tmp_path / "status.json").read_text())["why"] == "no space left"


def test_processes_that_do_not_end_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "EXIT_TIMEOUT_SECONDS", 0.1)
    watched = Ranks(tmp_path)
    watched._processes = [process("import time; time.sleep(30)")]
    start = time.monotonic()
    watched.end()
    assert time.monotonic() - start < 5
    assert watched._processes[0].returncode == -9


def test_a_process_that_waits_for_a_dead_one_is_killed_and_the_reason_recorded(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path; from seqvise.launching import ranks; "
        "ranks.GRACE_SECONDS = 0.2; "
        f"watched = ranks.Ranks(Path({str(tmp_path)!r})); "
        "watched.watch([subprocess.Popen([sys.executable, '-c', 'import os; os.kill(os.getpid(), 9)'])]); "
        "time.sleep(30)"
    )
    start = time.monotonic()
    assert process(code).wait() == -9
    assert time.monotonic() - start < 20
    assert "rank 1 was killed by SIGKILL" in json.loads((tmp_path / "status.json").read_text())["why"]


def test_exits_are_described() -> None:
    assert describe_exit(1) == "ended with exit code 1"
    assert describe_exit(-11) == "was killed by SIGSEGV"
