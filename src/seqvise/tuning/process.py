"""The process of a trial: started, watched, told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from seqvise.launching.processes import SWEEP

GRACE = 300.0
"""Seconds that a process has to save and end before it is killed."""


class Process:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches it only through ``stop``.

    Under Linux it tells itself to stop, too, when this process is killed.

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
                env={**os.environ, **environment, SWEEP: str(os.getpid())},
                start_new_session=True,
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
