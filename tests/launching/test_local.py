"""Jobs as processes: real ones, which do no more than the test needs."""

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
from seqvise.launching.local import LocalJob, Outcome, run_jobs
from seqvise.launching.pool import Pool

# Takes the place of seqvise; its first word is what it does.
JOB = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from seqvise.launching.processes import end_with_parent

end_with_parent()
command, deed, *words = sys.argv[1:]
folder = Path([word for word in words if word.startswith("hydra.run.dir=")][0].partition("=")[2].strip("'"))
started = time.time()
device = os.environ.get("CUDA_VISIBLE_DEVICES")
if deed == "wait":
    def save(*_):
        (folder / "saved").touch()
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    (folder / "waits").touch()
    time.sleep(60)
if deed == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if deed == "refuse":
    print("seqvise: model.wings: there is no such key.", file=sys.stderr)
    sys.exit(2)
if deed == "leave":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "child").write_text(str(child.pid))
time.sleep(0.3)
(folder / "metrics.json").write_text(json.dumps({"val/bleu": 12.5}))
(folder / "status.json").write_text(json.dumps({"status": "ok"}))
seen = {"device": device, "began": started, "ended": time.time(), "command": command}
(folder / "seen.json").write_text(json.dumps(seen))
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    monkeypatch.setattr(local, "PROGRAM", (sys.executable, str(script)))
    return sys.executable, str(script)


def jobs(folder: Path, *deeds: str, devices: int = 0) -> list[LocalJob]:
    return [
        LocalJob(number, [deed], [deed], [deed], folder / str(number), devices, {}, "val/bleu")
        for number, deed in enumerate(deeds)
    ]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def wait_for(there: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not there() and time.monotonic() < end:
        time.sleep(0.02)
    assert there()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_jobs_run_at_the_same_time_on_devices_of_their_own(tmp_path: Path) -> None:
    outcomes = run_jobs(jobs(tmp_path, *["well"] * 4, devices=1), Pool(None, ["4", "7"]), "train")
    assert sorted(outcome.number for outcome in outcomes) == [0, 1, 2, 3]
    assert {outcome.value for outcome in outcomes} == {12.5}
    seen = [read(tmp_path / str(number) / "seen.json") for number in range(4)]
    assert {one["command"] for one in seen} == {"train"}
    for device in ("4", "7"):
        spans = sorted((one["began"], one["ended"]) for one in seen if one["device"] == device)
        assert len(spans) >= 1
        assert all(ended <= began for (_, ended), (began, _) in pairwise(spans))
    begun = sorted(one["began"] for one in seen)
    assert begun[1] < min(one["ended"] for one in seen)


def test_why_jobs_fail_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    outcomes = {
        outcome.number: outcome for outcome in run_jobs(jobs(tmp_path, "die", "refuse", "well"), Pool(1, []), "train")
    }
    assert outcomes[2] == Outcome(2, value=12.5)
    assert read(tmp_path / "0" / "status.json")["status"] == "failed"
    assert "was killed by SIGKILL" in read(tmp_path / "0" / "status.json")["why"]
    assert read(tmp_path / "1" / "status.json")["why"] == "model.wings: there is no such key."
    assert outcomes[1].why == "model.wings: there is no such key."
    assert "there is no such key" in (tmp_path / "1" / "train.log").read_text()


def test_a_job_leaves_no_process_behind(tmp_path: Path) -> None:
    run_jobs(jobs(tmp_path, "leave"), Pool(None, []), "train")
    pid = int((tmp_path / "0" / "child").read_text())
    wait_for(lambda: gone(pid))


@pytest.mark.parametrize(("signum", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_jobs_save_when_the_sweep_is_told_to_end(tmp_path: Path, signum: int, error: type[BaseException]) -> None:
    def tell() -> None:
        wait_for(lambda: all((tmp_path / number / "waits").exists() for number in "01"))
        os.kill(os.getpid(), signum)

    threading.Thread(target=tell).start()
    with pytest.raises(error) as ended:
        run_jobs(jobs(tmp_path, "wait", "wait", "well"), Pool(2, []), "train")
    assert signum == signal.SIGINT or ended.value.args == (143,)
    assert all((tmp_path / number / "saved").exists() for number in "01")
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
    wait_for(lambda: (tmp_path / "0" / "waits").exists())
    sweep.kill()
    sweep.wait()
    wait_for(lambda: (tmp_path / "0" / "saved").exists())
