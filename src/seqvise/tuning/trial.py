"""A trial at work: one process after another, a seed each."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from seqvise.files import try_lock, write_text
from seqvise.launching.processes import SWEEP
from seqvise.launching.ranks import describe_exit
from seqvise.runs.directory import LOCK, STATUS
from seqvise.tuning.progress import progress, result, why_failed
from seqvise.tuning.space import Value

if TYPE_CHECKING:
    from optuna import Trial


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


LOG = "trial.log"
REFUSED = 2
"""The exit code of a command that was asked for something that cannot be."""
Command = Callable[[Mapping[str, Value], int | None, Path], list[str]]
"""The words that start a run with values and a seed in a folder; where one lies there, it goes on."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: ``ok``, ``pruned``, ``failed`` or ``interrupted``.
        value: the mean over seeds of one that is ok.
        why: the reason of any other.
        refused: whether a config was refused that was thought to be good.
    """

    state: str
    value: float | None = None
    why: str = ""
    refused: bool = False

    def told(self, metric: str) -> str:
        """What came out, in words."""
        if self.value is not None:
            return f"{metric}={self.value:.4g}"
        return f"failed ({self.why})" if self.state == "failed" else self.why


@dataclass
class Running:
    """A trial that has begun.

    Attributes:
        trial: Optuna's.
        values: of its parameters.
        folders: its runs' folders, in the order of their seeds.
        command: starts one of them.
        metric: what its value is.
        environment: variables of its processes.
        seeds: one for each folder.
        found: the metric of each run that is done.
    """

    trial: Trial
    values: Mapping[str, Value]
    folders: list[Path]
    command: Command
    metric: str
    environment: Mapping[str, str]
    seeds: list[int | None]
    found: list[float] = field(default_factory=list)
    _process: Process | None = None
    _pruned: str = ""
    _stopped: bool = False
    _reported: list[float] = field(default_factory=list)

    def poll(self) -> Outcome | None:
        """Starts what is to be started, and looks at what runs; gives the outcome when there is one."""
        if self._process is None:
            return self._advance()
        code = self._process.exit_code()
        if not self.found and self._has_reported() and code is None and self.trial.should_prune():
            self._prune()
        if code is None:
            return None
        self._process = None
        return self._done(code)

    def stop(self) -> None:
        """Breaks it off; the outcome follows."""
        self._stopped = True
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Ends its process at once."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    @property
    def _folder(self) -> Path:
        return self.folders[len(self.found)]

    def _advance(self) -> Outcome | None:
        """Goes on to the next seed that has no result yet."""
        while len(self.found) < len(self.folders):
            if self._stopped:
                return Outcome("interrupted", why="interrupted")
            known = result(self._folder, self.metric)
            if known is None:
                self._start()
                return None
            if not math.isfinite(known):
                return self._without_result(known)
            self.found.append(known)
        return Outcome("ok", fmean(self.found))

    def _start(self) -> None:
        # A run whose `tune` was killed may still be about to save.
        with try_lock(self._folder / LOCK) as alone:
            if not alone:
                return
        words = self.command(self.values, self.seeds[len(self.found)], self._folder)
        self._process = Process(words, self._folder / LOG, self.environment)

    def _has_reported(self) -> bool:
        """Tells Optuna the first seed's metric after each new validation, and whether there was one."""
        from optuna.exceptions import UpdateFinishedTrialError

        numbers = progress(self._folder, self.metric)
        if self._stopped or self._pruned or len(numbers) <= len(self._reported):
            return False
        try:
            for step in range(len(self._reported), len(numbers)):
                self.trial.report(numbers[step], step + 1)
        except UpdateFinishedTrialError:
            # Another process took it for dead, as after a sleep of this machine, and goes on with it.
            self.stop()
            return False
        self._reported = numbers
        return True

    def _prune(self) -> None:
        assert self._process is not None
        self._pruned = f"pruned at {self.metric}={self._reported[-1]:.4g} after validation {len(self._reported)}"
        self._process.stop()

    def _done(self, code: int) -> Outcome | None:
        value = result(self._folder, self.metric)
        # It may have come to its end before it met the signal that was sent to it.
        if value is not None and math.isfinite(value):
            self.found.append(value)
            is_last = len(self.found) == len(self.folders)
            return Outcome("pruned", why=self._pruned) if self._pruned and not is_last else self._advance()
        if code == 0:
            return self._without_result(value)
        if self._pruned:
            record(self._folder, self._pruned)
            return Outcome("pruned", why=self._pruned)
        if self._stopped:
            return Outcome("interrupted", why="interrupted")
        why = why_failed(self._folder, self._folder / LOG)
        return Outcome("failed", why=f"it {describe_exit(code)}{f': {why}' if why else ''}", refused=code == REFUSED)

    def _without_result(self, value: float | None) -> Outcome:
        return Outcome("failed", why=f"its {self.metric} is {'absent' if value is None else value}")


def record(folder: Path, why: str) -> None:
    """Says in the status of a run that was stopped who did it."""
    path = folder / STATUS
    try:
        status = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    write_text(path, json.dumps({**status, "status": "failed", "interrupted": True, "why": why}, indent=2) + "\n")
