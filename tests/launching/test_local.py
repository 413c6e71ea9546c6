"""Jobs as real processes with minimal programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from seqvise.launching import local
from seqvise.launching.local import JobOutcome, LocalJob, run_jobs
from seqvise.launching.pool import Pool

# Replaces seqvise; its second argument selects the behaviour.
JOB = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from seqvise.launching.parent import end_with_parent

end_with_parent()
command, action, *overrides = sys.argv[1:]
(directory,) = (override for override in overrides if override.startswith("hydra.run.dir="))
folder = Path(directory.partition("=")[2].strip("'"))
started = time.time()
device = os.environ.get("CUDA_VISIBLE_DEVICES")
if action == "wait":
    def save(*_):
        (folder / "saved").touch()
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    (folder / "waiting").touch()
    time.sleep(60)
if action == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if action == "refuse":
    print("seqvise: model.wings: there is no such key.", file=sys.stderr)
    sys.exit(2)
if action == "leave":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "child").write_text(str(child.pid))
time.sleep(0.3)
(folder / "metrics.json").write_text(json.dumps({"val/bleu": 12.5}))
(folder / "status.json").write_text(json.dumps({"status": "ok"}))
record = {"device": device, "began": started, "ended": time.time(), "command": command}
(folder / "record.json").write_text(json.dumps(record))
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    monkeypatch.setattr(local, "PROGRAM", (sys.executable, str(script)))
    return sys.executable, str(script)


def jobs(folder: Path, *actions: str, devices: int = 0) -> list[LocalJob]:
    return [
        LocalJob(number, [action], [action], [action], folder / str(number), devices, {}, "val/bleu")
        for number, action in enumerate(actions)
    ]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_jobs_run_in_parallel_on_separate_devices(tmp_path: Path) -> None:
    outcomes = run_jobs(jobs(tmp_path, *["well"] * 4, devices=1), Pool(None, ["4", "7"]), "train")
    assert sorted(outcome.number for outcome in outcomes) == [0, 1, 2, 3]
    assert {outcome.value for outcome in outcomes} == {12.5}
    records = [read(tmp_path / str(number) / "record.json") for number in range(4)]
    assert {record["command"] for record in records} == {"train"}
    for device in ("4", "7"):
        spans = sorted((record["began"], record["ended"]) for record in records if record["device"] == device)
        assert len(spans) >= 1
        assert all(ended <= began for (_, ended), (began, _) in pairwise(spans))
    starts = sorted(record["began"] for record in records)
    assert starts[1] < min(record["ended"] for record in records)


def test_the_reason_of_a_failure_is_recorded_and_the_others_continue(tmp_path: Path) -> None:
    outcomes = {
        outcome.number: outcome for outcome in run_jobs(jobs(tmp_path, "die", "refuse", "well"), Pool(1, []), "train")
    }
    assert outcomes[2] == JobOutcome(2, value=12.5)
    assert read(tmp_path / "0" / "status.json")["status"] == "failed"
    assert "was killed by SIGKILL" in read(tmp_path / "0" / "status.json")["why"]
    assert read(tmp_path / "1" / "status.json")["why"] == "model.wings: there is no such key."
    assert outcomes[1].failure == "model.wings: there is no such key."
    assert "there is no such key" in (tmp_path / "1" / "train.log").read_text()


def test_processes_that_a_job_leaves_are_killed(tmp_path: Path) -> None:
    run_jobs(jobs(tmp_path, "leave"), Pool(None, []), "train")
    pid = int((tmp_path / "0" / "child").read_text())
    wait_for(lambda: has_ended(pid))


@pytest.mark.parametrize(("signum", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_jobs_save_when_the_sweep_is_interrupted(tmp_path: Path, signum: int, error: type[BaseException]) -> None:
    def send_signal() -> None:
        wait_for(lambda: all((tmp_path / number / "waiting").exists() for number in "01"))
        os.kill(os.getpid(), signum)

    threading.Thread(target=send_signal).start()
    with pytest.raises(error) as ended:
        run_jobs(jobs(tmp_path, "wait", "wait", "well"), Pool(2, []), "train")
    assert signum == signal.SIGINT or ended.value.args == (143,)
    assert all((tmp_path / number / "saved").exists() for number in "01")
    # They ended before they could record it themselves, and plain resume=auto must not skip them.
    assert all(read(tmp_path / number / "status.json")["interrupted"] for number in "01")
    assert not (tmp_path / "2").exists()


def test_jobs_save_when_the_sweep_is_killed(tmp_path: Path, program: tuple[str, str]) -> None:
    code = (
        "import sys; from pathlib import Path; from seqvise.launching import local; "
        "from seqvise.launching.pool import Pool; "
        f"local.PROGRAM = {program!r}; "
        f"job = local.LocalJob(0, [], [], ['wait'], Path({str(tmp_path / '0')!r}), 0, {{}}, 'val/bleu'); "
        "local.run_jobs([job], Pool(1, []), 'train')"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: (tmp_path / "0" / "waiting").exists())
    sweep.kill()
    sweep.wait()
    wait_for(lambda: (tmp_path / "0" / "saved").exists())
