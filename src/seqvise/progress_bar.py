"""Progress of long preparations on standard error: a bar with a total in a terminal, occasional lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Count = Callable[[int, int], None]
"""Called from time to time with the number of finished items and the total."""

FIRST_LINE_SECONDS, MAX_LINE_SECONDS = 5.0, 60.0
"""Seconds until the first line, and at most between two lines; between them, each line waits twice as long."""
STDERR = 2
JOIN_SECONDS = 5.0
"""Seconds to wait for the reader of captured lines: a process that was started meanwhile keeps the pipe open."""


@contextmanager
def counting(name: str, unit: str) -> Iterator[Count]:
    """Yields the function that shows the progress of a task; nothing is shown unless it is called.

    Args:
        name: name of the task.
        unit: unit of its items.
    """
    if not sys.stderr.isatty():
        yield _Lines(name, unit)
        return
    bar = _Bar(name, unit)
    try:
        yield bar
    finally:
        bar.progress.stop()


class _Bar:
    """A bar that appears at the first call."""

    def __init__(self, name: str, unit: str) -> None:
        columns = (TextColumn(name), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        # Rich would restore the sys.stderr of the time when the bar appeared.
        self.progress = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False)
        self._unit = unit

    def __call__(self, done: int, total: int) -> None:
        if not self.progress.tasks:
            self._first, self._start = done, perf_counter()
            self._task = self.progress.add_task("", total=total, completed=done)
            self.progress.start()
        seconds = perf_counter() - self._start
        text = _counted(done, total, self._unit, (done - self._first) / max(seconds, 1e-9))
        self.progress.update(self._task, completed=done, description=text)


class _Lines:
    """A line after 5, 10, 20, 40 and 80 seconds, and then every minute.

    Args:
        name, unit: as for ``counting``.
        clock: returns monotonic seconds.
    """

    def __init__(self, name: str, unit: str, clock: Callable[[], float] = perf_counter) -> None:
        self._name, self._unit, self._clock = name, unit, clock
        self._first: int | None = None
        self._next = FIRST_LINE_SECONDS

    def __call__(self, done: int, total: int) -> None:
        if self._first is None:
            self._first, self._start = done, self._clock()
        seconds = self._clock() - self._start
        if seconds >= self._next and done > self._first:
            self._next = seconds + min(seconds, MAX_LINE_SECONDS)
            rate = (done - self._first) / seconds
            left = timedelta(seconds=round((total - done) / rate))
            text = _counted(done, total, self._unit, rate)
            print(f"{self._name}: {text}, eta {left}", file=sys.stderr, flush=True)


def _counted(done: int, total: int, unit: str, rate: float) -> str:
    return f"{done:,}/{total:,} {unit}, {rate:,.{0 if rate >= 100 else 1}f} per second"


@contextmanager
def filtered_stderr(handle: Callable[[str], bool]) -> Iterator[None]:
    r"""Passes each line that a library writes to the file descriptor of standard error to a function.

    For libraries in C++, which do not use ``sys.stderr``. What Python writes to ``sys.stderr`` is not affected.

    Args:
        handle: called with a line, which ends at ``\n`` or ``\r``, without outer spaces; returns whether the line
            must not be printed.
    """
    try:
        original = os.dup(STDERR)
    except OSError:  # closed: nothing can be printed
        yield
        return
    read, write = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(read, original, handle), daemon=True)
    with os.fdopen(original, "w", encoding="utf-8", errors="replace", buffering=1) as stderr:
        os.dup2(write, STDERR)
        os.close(write)
        reader.start()
        try:
            with redirect_stderr(stderr):
                yield
        finally:
            os.dup2(original, STDERR)  # closes the pipe's last writer, which ends the reader
            reader.join(JOIN_SECONDS)


def _pass_on(read: int, original: int, handle: Callable[[str], bool]) -> None:
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        for line in pipe:  # \r ends a line, too
            if not handle(line.strip()):
                os.write(original, line.encode())
