"""``fork_map``: results are in order, and no process is left when one or all of them end early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from seqvise.errors import UserError
from seqvise.workers import can_fork, fork_map

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked only on Linux")

PARENT = """
import os, signal, time
from pathlib import Path
from seqvise.workers import fork_map

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells make background processes ignore it

def work(piece):
    Path(str(os.getpid())).touch()
    time.sleep(60)

fork_map(work, range(4), 2)
"""


def test_results_of_several_processes_are_in_order() -> None:
    model = torch.nn.Linear(200, 200)
    inputs = [torch.randn(500, 200) for _ in range(12)]
    expected = [float(model(rows).sum()) for rows in inputs]

    def work(rows: torch.Tensor) -> tuple[float, int, int]:
        time.sleep(0.02)
        return float(model(rows).sum()), torch.get_num_threads(), os.getpid()

    results = fork_map(work, inputs, 3)
    assert [total for total, *_ in results] == pytest.approx(expected, abs=1e-2)
    assert {threads for _, threads, _ in results} == {1}
    assert 1 < len({process for *_, process in results} - {os.getpid()}) <= 3


def test_errors_of_the_work_are_raised_here() -> None:
    def work(piece: int) -> int:
        if piece == 2:
            raise UserError("this is wrong", "and that")
        return piece

    with pytest.raises(UserError, match="this is wrong\nand that"):
        fork_map(work, range(4), 2)


def test_a_killed_process_is_reported() -> None:
    def work(piece: int) -> int:
        if piece == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return piece

    with pytest.raises(UserError, match=r"One of 2 processes was killed.*start again with workers=1"):
        fork_map(work, range(8), 2)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, signum: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(children := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.send_signal(signum)
    while any(Path(f"/proc/{child}/stat").exists() for child in children):
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.kill()
    parent.wait()


FORKS = """
import multiprocessing, os, signal, sys, time
from seqvise.cli.support.exit_codes import exit_code

signal.signal(signal.SIGINT, signal.default_int_handler)
signum = getattr(signal, sys.argv[1])

def command():
    # As if the signal arrived in a hook, such as logging's, whose exceptions Python drops.
    os.register_at_fork(before=lambda: os.kill(os.getpid(), signum))
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,), daemon=True)
    child.start()
    print(child.pid, flush=True)
    child.join()

sys.exit(exit_code(command))
"""


@pytest.mark.parametrize(("signum", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_during_a_fork_is_not_lost(signum: str, code: int) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", FORKS, signum], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert time.monotonic() - began < 25
    assert "Exception ignored" not in done.stderr


WRITES = """
import sys, time
from pathlib import Path
from seqvise.cli.support.exit_codes import exit_code
from seqvise.files import atomic_write

def command():
    with atomic_write(Path("result.txt")) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(30)

sys.exit(exit_code(command))
"""


def test_sigterm_removes_a_partly_written_file(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITES], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.terminate()
    assert process.wait(20) == 143
    assert list(tmp_path.iterdir()) == []
