"""A forked command sees what a new process would see, and leaves nothing for the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

SHOWS = """
import json, multiprocessing, os, sys
import __main__
print(json.dumps([os.getcwd(), sys.argv, sys.path, dict(os.environ), multiprocessing.get_start_method(), __name__,
                  __main__.__file__, os.path.exists("/proc/self/fd/0")]))
print("to the error stream", file=sys.stderr)
os.environ["LEFT"], sys.left = "1", 1
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "scripts" / "shows.py"
    file.parent.mkdir()
    file.write_text(SHOWS)
    return file


@pytest.mark.parametrize("code", [0, 3])
def test_a_fork_is_like_a_new_process(script: Path, tmp_path: Path, code: int) -> None:
    environment = os.environ | {"MINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(script), str(code), "ä b"]
    new = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    fork = forked.run(command, cwd=tmp_path, env=environment)
    again = forked.run(command, cwd=tmp_path, env=environment)
    for done in (fork, again):
        assert (done.returncode, done.stdout, done.stderr) == (new.returncode, new.stdout, new.stderr)
    assert fork.returncode == code


@pytest.mark.parametrize("flags", [["-m"], ["-P", "-m"]])
def test_a_module_is_found_as_in_a_new_process(script: Path, flags: list[str]) -> None:
    command = [*flags, "shows", "0"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    new = subprocess.run(
        [sys.executable, *command], cwd=script.parent, env=environment, capture_output=True, text=True, check=False
    )
    fork = forked.run(command, cwd=script.parent, env=environment)
    assert (fork.returncode, fork.stdout) == (new.returncode, new.stdout)


def test_a_fork_receives_signals(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(100)\n")
    process = forked.Forked(
        ["waits.py"], cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
    assert process.stdout.read() == ""


def test_an_error_is_reported(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("raise ValueError('mine')\n")
    done = forked.run(["fails.py"], cwd=tmp_path, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: mine\n")
