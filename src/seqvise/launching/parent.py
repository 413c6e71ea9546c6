"""The processes of the jobs of a sweep or a search, which end with their parent. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

SWEEP = "SEQVISE_SWEEP"
"""Environment variable of a job in a separate process: the process id of the sweep that started it."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h
KILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Ends a process at once. Windows has only SIGTERM, which does so there."""
REFUSED = 2
"""Exit code of a job that was refused. A job that had already started has recorded the reason itself."""
TERMINATED = 128 + signal.SIGTERM
"""Exit code of a process that was ended by SIGTERM."""


def start_job(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a job in a separate session, so that Ctrl-C reaches it only through this process.

    Args:
        log: the job's output is appended to this file.
        environment: environment variables in addition to those of this process.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, SWEEP: str(os.getpid())},
            start_new_session=True,
        )


def kill_job(process: subprocess.Popen[bytes]) -> None:
    """Kills a job and, except on Windows, all processes that it has started and left."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, KILL)


@contextmanager
def recorded_signals() -> Iterator[list[int]]:
    """Records SIGINT and SIGTERM within the block instead of ending; yields the signals received so far."""
    received: list[int] = []

    def on_signal(signum: int, _: FrameType | None) -> None:
        received.append(signum)

    before = {signum: signal.signal(signum, on_signal) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def is_job_process() -> bool:
    """Whether a sweep started this process for one of its jobs."""
    return SWEEP in os.environ


def end_with_parent() -> None:
    """Makes the kernel signal this process when its parent ends; only on Linux, and only for jobs and ranks.

    A job of a sweep receives SIGTERM, and saves. A rank that another process of its job has started is killed: it
    would wait for the others for ever.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        _signal_when_parent_ends(os.getppid(), KILL)
    elif is_job_process():
        _signal_when_parent_ends(int(os.environ[SWEEP]), signal.SIGTERM)


def _signal_when_parent_ends(parent: int, signum: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != parent:  # the parent ended before prctl was called
        os.kill(os.getpid(), signum)
