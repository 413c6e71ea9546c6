"""A process of a job that hangs is noticed by the others, which would wait for it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = ".ranks"
LONGEST_PAUSE = 5.0
"""Seconds between two signs of life."""
PAUSES = 10
"""Signs of life within the time after which a rank is silent."""
WIDTH = 80
"""Bytes of a sign of life: always as many, so that a full disk has room for the next."""


@dataclass
class _Sign:
    """The last sign of life of a rank, and when it came. ``at`` is None until a second one has shown that it lives."""

    text: str
    at: float | None = None


class Watchdog:
    """Ends a job of which a process gives no sign of life.

    Each process writes one from a thread of its own, into ``.ranks/<rank>`` of the run directory, whatever it is at:
    training, validation, a checkpoint, the data, or waiting for the others. A process that is stopped, or is in the
    system's hands for ever, or on a machine that is gone, writes none. The lowest rank that lives then ends the job.

    Args:
        directory: the run's folder, which all processes share.
        rank: of this process.
        minutes: after which a rank is silent.
        end: called with the reason; it does not return.
    """

    def __init__(self, directory: Path, rank: int, minutes: float, end: Callable[[str], None]) -> None:
        self._folder, self._rank, self._minutes, self._end = directory / FOLDER, rank, minutes, end
        self._seconds = 60 * minutes
        self._pause = min(LONGEST_PAUSE, self._seconds / PAUSES)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._signs: dict[int, _Sign] = {}
        self._looked_at = time.monotonic()

    def start(self) -> None:
        """Begins to give signs of life and to look for those of the others."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends that, and removes what this process has written."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            (self._folder / str(self._rank)).unlink(missing_ok=True)
            self._folder.rmdir()  # the last one does

    def _run(self) -> None:
        count = 0
        while not self._over.is_set():
            with suppress(OSError):  # a disk that is full, or away for a moment
                self._write(f"{socket.gethostname()} {os.getpid()} {count}")
            count += 1
            silent = self.silent(time.monotonic())
            if silent and self._rank < min(self._living(), default=self._rank + 1):
                self._end_job(silent)
            self._over.wait(self._pause)

    def silent(self, now: float) -> list[int]:
        """The ranks that lived, and have given no sign of life for too long. now: of the monotonic clock."""
        slept = now - self._looked_at > self._seconds / 2
        self._looked_at = now
        signs = dict(self._read())
        for rank, text in signs.items():
            before = self._signs.get(rank)
            if before is None:
                self._signs[rank] = _Sign(text)
            elif before.text != text or (slept and before.at is not None):  # the others slept too, as after Ctrl-Z
                self._signs[rank] = _Sign(text, now)
        self._signs = {rank: sign for rank, sign in self._signs.items() if rank in signs}
        return sorted(rank for rank, sign in self._signs.items() if self._is_silent(sign, now))

    def _is_silent(self, sign: _Sign, now: float) -> bool:
        return sign.at is not None and now - sign.at > self._seconds

    def _living(self) -> Iterator[int]:
        now = self._looked_at
        return (rank for rank, sign in self._signs.items() if sign.at is not None and not self._is_silent(sign, now))

    def _write(self, text: str) -> None:
        self._folder.mkdir(exist_ok=True)
        file = os.open(self._folder / str(self._rank), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(file, f"{text:<{WIDTH}}\n".encode(), 0)
        finally:
            os.close(file)

    def _read(self) -> Iterator[tuple[int, str]]:
        for file in self._folder.glob("[0-9]*"):
            if file.name != str(self._rank):
                with suppress(OSError):
                    yield int(file.name), file.read_text(encoding="utf-8", errors="replace")

    def _end_job(self, silent: list[int]) -> None:
        for rank in silent:
            host, pid, *_ = [*self._signs[rank].text.split(), "", ""]
            if host == socket.gethostname() and pid.isdecimal():
                with suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
        names = ", ".join(f"rank {rank} ({' process '.join(self._signs[rank].text.split()[:2])})" for rank in silent)
        self._end(
            f"{names} has given no sign of life for {self._minutes:g} minutes (trainer.timeout), so the job ends: "
            f"resume={self._folder.parent} resumes it."
        )
