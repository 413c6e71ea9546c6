"""The process of a trial: started, watched, told to stop."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seqvise.machine import usable_cores

GRACE = 300.0
"""Seconds that a process has to save and end before it is killed."""
SET_DEATH_SIGNAL = 1
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Process:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches it only through ``stop``.

    Under Linux it is told to stop, too, when this process is killed.

    Args:
        command: its words.
        log: receives what it prints, behind what is there.
        environment: variables that it has beside this process's own.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._told: float | None = None
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=_ending_with(os.getpid()),
            )

    def exit_code(self) -> int | None:
        """How it ended, negative after a signal; None while it runs. One that does not stop is killed."""
        code = self._popen.poll()
        if code is None and self._told is not None and time.monotonic() - self._told > GRACE:
            self.kill()
        return code

    def stop(self) -> None:
        """Tells it to save and end."""
        if self._told is None and self._popen.poll() is None:
            self._told = time.monotonic()
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and all that it has started."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


def environment(slot: int, jobs: int, threads: int | None, devices: Sequence[int] | None) -> dict[str, str]:
    """Variables for the trial in a slot: its share of the processors, and its device.

    Args:
        slot: from 0, below ``jobs``.
        jobs: trials at a time.
        threads: of each; None: the processors shared out, unless the environment says so already.
        devices: CUDA devices; None leaves them all to each.
    """
    shared = None if jobs == 1 or THREADS[0] in os.environ else max(1, usable_cores() // jobs)
    count = threads or shared
    found = {} if count is None else dict.fromkeys(THREADS, str(count))
    return found if not devices else {**found, "CUDA_VISIBLE_DEVICES": str(devices[slot % len(devices)])}


def ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _ending_with(parent: int) -> Callable[[], None] | None:
    """What a new process calls to be told when its parent ends; None where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask
