"""Watches the other processes of a job, which Lightning starts from this one, and ends them with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from seqvise.launching.parent import KILL
from seqvise.launching.watchdog import Watchdog
from seqvise.runs.directory import failure_of_rank, rank_of_process, record_failure

POLL_SECONDS = 0.2
"""Seconds between two checks of the processes."""
GRACE_SECONDS = 10.0
"""Seconds in which this process must fail after another one ended; then it counts as hung."""
EXIT_TIMEOUT_SECONDS = 20.0
"""Seconds that the other processes have to end after this one has finished."""
STOPPED = (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)
"""Exit codes of a process that finished or was interrupted."""


class Ranks:
    """Watches the processes of a job. Replaces Lightning's observer, which kills without a message.

    Args:
        directory: the run's folder; its status holds the reason why a process ended.
        minutes: a process without a heartbeat for this long counts as hung.
    """

    def __init__(self, directory: Path, minutes: float = 10.0) -> None:
        self._directory = directory
        self._watchdog = Watchdog(directory, rank_of_process(), minutes, self._kill_all)
        self._processes: Sequence[subprocess.Popen[bytes]] = ()
        self._stopped = threading.Event()

    def watch(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Begins to watch processes, the ranks from 1 on. Lightning calls it after their start."""
        self._processes = processes
        self.begin()
        threading.Thread(target=self._watch_processes, daemon=True).start()

    def begin(self) -> None:
        """Begins to send heartbeats and to check those of the other processes, however they were started."""
        self._watchdog.start()

    def failure(self) -> str | None:
        """After an error of this process: which other process failed first, and how; None if none did."""
        time.sleep(POLL_SECONDS if self._processes else 0)
        return self._first_failure()

    def end(self) -> None:
        """Waits for the processes, and kills those that do not end."""
        self._stopped.set()
        self._watchdog.stop()
        deadline = time.monotonic() + EXIT_TIMEOUT_SECONDS
        while time.monotonic() < deadline and any(process.poll() is None for process in self._processes):
            time.sleep(POLL_SECONDS / 10)
        self._kill_processes()

    def _first_failure(self) -> str | None:
        for rank, process in enumerate(self._processes, 1):
            code = process.poll()
            if code is not None and code not in STOPPED:
                return failure_of_rank(self._directory) or f"rank {rank} {describe_exit(code)}."
        return failure_of_rank(self._directory)

    def _watch_processes(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            if why := self._first_failure():
                # Usually the error of the broken connection ends this process.
                if not self._stopped.wait(GRACE_SECONDS):
                    self._kill_all(why)
                return
            if all(process.poll() == 0 for process in self._processes):
                return

    def _kill_all(self, why: str, others: Sequence[int] = ()) -> None:
        """Kills all processes: the main thread waits for a dead process in native code that no exception reaches.

        Args:
            why: recorded first, because the death of the parent kills this process, too.
            others: process ids of further ranks on this machine.
        """
        record_failure(self._directory, why, replace=True)
        print(f"seqvise: {why}", file=sys.stderr, flush=True)
        for process in others:
            with suppress(OSError):
                os.kill(process, KILL)
        self._kill_processes()
        os.kill(os.getpid(), KILL)

    def _kill_processes(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def describe_exit(code: int) -> str:
    """How a process ended. code: its exit code, negative for a signal, as in ``subprocess``."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system does so when memory runs out)" if -code == KILL else ""
    return f"was killed by {name}{hint}"
