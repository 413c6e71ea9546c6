"""The other processes of a job, with real ones in their place."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqvise.launching import ranks
from seqvise.launching.ranks import Ranks, ending
from seqvise.runs.directory import record_failure


def process(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("code", "said"),
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
def test_which_process_ended_before_its_time_is_told(tmp_path: Path, code: str, said: str | None) -> None:
    watched = Ranks(tmp_path)
    started = process(code)
    watched._processes = [started]
    if "sleep" not in code:
        started.wait()
    assert watched.why() == said
    started.kill()


def test_what_a_process_said_itself_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    record_failure(tmp_path, "a wheel came off")
    monkeypatch.delenv("LOCAL_RANK")
    record_failure(tmp_path, "Connection closed by peer")
    assert json.loads((tmp_path / "status.json").read_text())["why"] == "rank 1: a wheel came off"
    watched = Ranks(tmp_path)
    watched._processes = [process("import sys; sys.exit(1)")]
    watched._processes[0].wait()
    assert watched.why() == "rank 1: a wheel came off"


def test_the_first_process_to_fail_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_failure(tmp_path, "no space left")
    monkeypatch.setenv("LOCAL_RANK", "1")
    record_failure(tmp_path, "Connection closed by peer")
    assert json.loads((tmp_path / "status.json").read_text())["why"] == "no space left"


def test_those_that_do_not_end_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "PATIENCE", 0.1)
    watched = Ranks(tmp_path)
    watched._processes = [process("import time; time.sleep(30)")]
    began = time.monotonic()
    watched.end()
    assert time.monotonic() - began < 5
    assert watched._processes[0].returncode == -9


def test_a_process_that_waits_for_a_lost_one_is_ended_and_the_reason_kept(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path; from seqvise.launching import ranks; "
        "ranks.GRACE = 0.2; "
        f"watched = ranks.Ranks(Path({str(tmp_path)!r})); "
        "watched.watch([subprocess.Popen([sys.executable, '-c', 'import os; os.kill(os.getpid(), 9)'])]); "
        "time.sleep(30)"
    )
    began = time.monotonic()
    assert process(code).wait() == -9
    assert time.monotonic() - began < 20
    assert "rank 1 was killed by SIGKILL" in json.loads((tmp_path / "status.json").read_text())["why"]


def test_endings() -> None:
    assert ending(1) == "ended with exit code 1"
    assert ending(-11) == "was killed by SIGSEGV"
