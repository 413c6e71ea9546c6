"""Detects a hung process of a job, for which the other processes would wait for ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = ".ranks"
MAX_INTERVAL_SECONDS = 5.0
"""Maximum seconds between two heartbeats."""
HEARTBEATS_PER_TIMEOUT = 10
"""Heartbeats within the timeout of a rank."""
WIDTH = 80
"""Bytes of a heartbeat: a fixed number, so that it can be overwritten on a full disk."""


@dataclass
class _Heartbeat:
    """The last heartbeat of a rank and its time. ``at`` is None until a second one has shown that the rank is alive."""

    text: str
    at: float | None = None


class Watchdog:
    """Ends a job if one of its processes stops sending heartbeats.

    A separate thread of each process writes heartbeats into ``.ranks/<rank>`` of the run directory, whatever the main
    thread does: training, validation, saving, loading data, or waiting for other processes. A process writes none if
    it is stopped, blocked in a system call, or on a lost machine. The lowest live rank then ends the job.

    Args:
        directory: the run's folder, which all processes share.
        minutes: a rank without a heartbeat for this long is silent.
        end: called with the reason and the process ids of silent ranks on this machine; it does not return.
    """

    def __init__(self, directory: Path, rank: int, minutes: float, end: Callable[[str, Sequence[int]], None]) -> None:
        self._folder, self._rank, self._minutes, self._end = directory / FOLDER, rank, minutes, end
        self._timeout = 60 * minutes
        self._interval = min(MAX_INTERVAL_SECONDS, self._timeout / HEARTBEATS_PER_TIMEOUT)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._heartbeats: dict[int, _Heartbeat] = {}
        self._checked_at = time.monotonic()

    def start(self) -> None:
        """Begins to write heartbeats and to check those of the other ranks."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the heartbeats, and removes the file of this process."""
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        with suppress(OSError):
            (self._folder / str(self._rank)).unlink(missing_ok=True)
            self._folder.rmdir()  # succeeds for the last rank

    def _run(self) -> None:
        count = 0
        while not self._stopped.is_set():
            with suppress(OSError):  # the disk may be full or temporarily unavailable
                self._write(f"{socket.gethostname()} {os.getpid()} {count}")
            count += 1
            silent = self.silent(time.monotonic())
            if silent and self._rank < min(self._live_ranks(), default=self._rank + 1):
                self._end_job(silent)
            self._stopped.wait(self._interval)

    def silent(self, now: float) -> list[int]:
        """The ranks that were alive and whose last heartbeat is too old. now: time of the monotonic clock."""
        suspended = now - self._checked_at > self._timeout / 2
        self._checked_at = now
        texts = dict(self._read())
        for rank, text in texts.items():
            previous = self._heartbeats.get(rank)
            if previous is None:
                self._heartbeats[rank] = _Heartbeat(text)
            elif previous.text != text or (suspended and previous.at is not None):
                # After Ctrl-Z the other ranks were suspended too.
                self._heartbeats[rank] = _Heartbeat(text, now)
        self._heartbeats = {rank: heartbeat for rank, heartbeat in self._heartbeats.items() if rank in texts}
        return sorted(rank for rank, heartbeat in self._heartbeats.items() if self._is_silent(heartbeat, now))

    def _is_silent(self, heartbeat: _Heartbeat, now: float) -> bool:
        return heartbeat.at is not None and now - heartbeat.at > self._timeout

    def _live_ranks(self) -> Iterator[int]:
        now = self._checked_at
        seen = ((rank, heartbeat) for rank, heartbeat in self._heartbeats.items() if heartbeat.at is not None)
        return (rank for rank, heartbeat in seen if not self._is_silent(heartbeat, now))

    def _write(self, text: str) -> None:
        self._folder.mkdir(exist_ok=True)
        file = os.open(self._folder / str(self._rank), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(file, f"{text:<{WIDTH}}\n".encode())
        finally:
            os.close(file)

    def _read(self) -> Iterator[tuple[int, str]]:
        for file in self._folder.glob("[0-9]*"):
            if file.name != str(self._rank):
                with suppress(OSError):
                    yield int(file.name), file.read_text(encoding="utf-8", errors="replace")

    def _end_job(self, silent: list[int]) -> None:
        writers = [[*self._heartbeats[rank].text.split(), "", ""][:2] for rank in silent]
        pids = [int(pid) for host, pid in writers if host == socket.gethostname() and pid.isdecimal()]
        names = ", ".join(
            f"rank {rank} ({' process '.join(self._heartbeats[rank].text.split()[:2])})" for rank in silent
        )
        self._end(
            f"{names} has sent no heartbeat for {self._minutes:g} minutes (trainer.timeout), so the job ends. "
            f"Resume with resume={self._folder.parent}.",
            pids,
        )
