"""File locks between real processes, and modules that other systems lack."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from seqvise.files import locked, try_lock
from tests.test_packaging import ROOT, imported_modules

HOLDER = """
import os, sys, time
from pathlib import Path
from seqvise.files import locked, try_lock
with {lock}(Path(sys.argv[1])):
    if {fork}:
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(60)
            os._exit(0)
    else:
        print("held", flush=True)
    sys.stdin.readline()
"""


def start_holder(path: Path, lock: str, fork: bool = False) -> subprocess.Popen[str]:
    """A process that holds the lock until it receives a line."""
    program = [sys.executable, "-c", HOLDER.format(lock=lock, fork=fork), str(path)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def is_free(path: Path) -> bool:
    with try_lock(path) as acquired:
        return acquired


@pytest.mark.parametrize("lock", ["locked", "try_lock"])
def test_a_killed_process_leaves_no_lock_even_if_its_forked_worker_lives(tmp_path: Path, lock: str) -> None:
    path = tmp_path / "run" / ".lock"
    holder = start_holder(path, lock, fork=True)
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    try:
        assert not is_free(path)
        holder.kill()
        holder.wait(timeout=60)
        os.kill(worker, 0)
        assert is_free(path)
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_blocking_lock_waits_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    holder = start_holder(path, "locked")
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    acquired = list[bool]()

    def wait() -> None:
        with locked(path):
            acquired.append(holder.poll() is not None or holder.wait(timeout=60) == 0)

    thread = Thread(target=wait)
    thread.start()
    thread.join(0.2)
    assert not acquired
    holder.stdin.write("\n")
    holder.stdin.flush()
    thread.join(60)
    assert acquired == [True]


def test_the_lock_file_of_an_earlier_run_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("123\nhost\n")
    with try_lock(path) as acquired:
        assert acquired
        assert not is_free(path)
    assert is_free(path)


def test_an_error_of_the_block_is_raised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"), try_lock(tmp_path / ".lock"):
        raise OSError("disk full")
    assert is_free(tmp_path / ".lock")


def test_no_module_imports_what_windows_lacks() -> None:
    absent = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
    modules = {path: absent.intersection(imported_modules(path)) for path in (ROOT / "src").rglob("*.py")}
    assert not [path for path, imported in modules.items() if imported]


def test_commands_start_without_what_windows_lacks() -> None:
    program = """
import os, signal, subprocess, sys, tempfile  # imported before their functions vanish
for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "killpg", "pread", "pwrite"):
    delattr(os, name)
del signal.SIGKILL
import seqvise.files, seqvise.launching.local, seqvise.launching.ranks, seqvise.tuning.trial
from seqvise.launching.parent import end_with_parent
from seqvise.launching.watchdog import Watchdog
from pathlib import Path
end_with_parent()
with tempfile.TemporaryDirectory() as folder:
    Watchdog(Path(folder), 0, 1.0, print)._write("host 1 0")
    print((Path(folder) / ".ranks" / "0").read_text().strip())
from seqvise.cli.main import main
sys.exit(main(["--help"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("host 1 0\n")
    assert "seqvise" in done.stdout
