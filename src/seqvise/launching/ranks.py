"""The other processes of a job, started by Lightning from this one: watched, and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from seqvise.launching.watchdog import Watchdog
from seqvise.runs.directory import failure_of_rank, rank_of_process, record_failure

LOOK = 0.2
"""Seconds between two looks."""
GRACE = 10.0
"""Seconds that this process has to notice that another one is gone, before it is taken to hang."""
PATIENCE = 20.0
"""Seconds that the others have to end when this one has come to its end."""
STOPPED = (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)
"""Exit codes of a process that came to its end, or was told to stop."""


class Ranks:
    """Watches the processes of a job, in the place of Lightning's observer, which kills without a word.

    Args:
        directory: the run's folder, whose status says why a process is gone.
        minutes: after which a process that gives no sign of life is taken to hang.
    """

    def __init__(self, directory: Path, minutes: float = 10.0) -> None:
        self._directory = directory
        self._watchdog = Watchdog(directory, rank_of_process(), minutes, self._end_everything)
        self._processes: Sequence[subprocess.Popen[bytes]] = ()
        self._over = threading.Event()

    def watch(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Begins to look after processes, the ranks from 1 on. It is what Lightning calls behind their start."""
        self._processes = processes
        self.begin()
        threading.Thread(target=self._look, daemon=True).start()

    def begin(self) -> None:
        """Gives signs of life, and looks for those of the other processes, whoever has started them."""
        self._watchdog.start()

    def why(self) -> str | None:
        """Of an error of this process: which other one had ended before its time, and how; None where none had."""
        time.sleep(LOOK if self._processes else 0)
        return self._fallen()

    def end(self) -> None:
        """Waits for the processes, and kills those that do not end."""
        self._over.set()
        self._watchdog.stop()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and any(process.poll() is None for process in self._processes):
            time.sleep(LOOK / 10)
        self._kill()

    def _fallen(self) -> str | None:
        for rank, process in enumerate(self._processes, 1):
            code = process.poll()
            if code is not None and code not in STOPPED:
                return failure_of_rank(self._directory) or f"rank {rank} {ending(code)}."
        return failure_of_rank(self._directory)

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            if why := self._fallen():
                # Most often the error of a broken connection ends this process as any other error would.
                if not self._over.wait(GRACE):
                    self._end_everything(why)
                return
            if all(process.poll() == 0 for process in self._processes):
                return

    def _end_everything(self, why: str) -> None:
        """The main thread waits for a process that is gone, in code that no exception reaches."""
        record_failure(self._directory, why, replace=True)
        print(f"seqvise: {why}", file=sys.stderr, flush=True)
        self._kill()
        os.kill(os.getpid(), signal.SIGKILL)

    def _kill(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def ending(code: int) -> str:
    """How a process ended, by its exit code as ``subprocess`` gives it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system does so when memory runs out)" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
