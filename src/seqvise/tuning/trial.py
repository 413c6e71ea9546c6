"""A running trial: one process for each seed, one after another."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from seqvise.files import try_lock
from seqvise.launching.parent import REFUSED, kill_job, start_job
from seqvise.launching.ranks import describe_exit
from seqvise.runs.directory import LOCK, record_failure
from seqvise.tuning.progress import failure_reason, progress, result
from seqvise.tuning.space import Value

if TYPE_CHECKING:
    from optuna import Trial


GRACE_SECONDS = 300.0
"""Seconds in which a stopped process must save and end; then it is killed."""


class Process:
    """A process in a separate session, so that Ctrl-C in the terminal reaches it only through ``stop``.

    On Linux it also stops when this process is killed.

    Args:
        log: its output is appended to this file.
        environment: environment variables in addition to those of this process.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._stopped_at: float | None = None
        self._popen = start_job(command, log, environment)

    def exit_code(self) -> int | None:
        """Exit code, negative after a signal; None while it runs. Kills a process that did not stop in time."""
        code = self._popen.poll()
        if code is None and self._stopped_at is not None and time.monotonic() - self._stopped_at > GRACE_SECONDS:
            self.kill()
        return code

    def stop(self) -> None:
        """Sends SIGTERM: the process saves and ends."""
        if self._stopped_at is None and self._popen.poll() is None:
            self._stopped_at = time.monotonic()
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it and all processes that it has started."""
        if self._popen.poll() is None:
            kill_job(self._popen)
            self._popen.wait()


LOG = "trial.log"
Command = Callable[[Mapping[str, Value], int | None, Path], list[str]]
"""Returns the command that trains with values and a seed in a folder, or resumes the run in it."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: ``ok``, ``pruned``, ``failed`` or ``interrupted``.
        value: the mean over seeds if the state is ``ok``.
        refused: whether the run refused its config.
    """

    state: str
    value: float | None = None
    reason: str = ""
    refused: bool = False

    def summary(self, metric: str) -> str:
        """The outcome as text for the log."""
        if self.value is not None:
            return f"{metric}={self.value:.4g}"
        return f"failed ({self.reason})" if self.state == "failed" else self.reason


@dataclass
class Running:
    """A trial that has started.

    Attributes:
        folders: folders of its runs, one per seed.
        metric: the metric that is the trial's value.
        seeds: one for each folder.
        scores: the metric of each finished run.
    """

    trial: Trial
    values: Mapping[str, Value]
    folders: list[Path]
    command: Command
    metric: str
    environment: Mapping[str, str]
    seeds: list[int | None]
    scores: list[float] = field(default_factory=list)
    _process: Process | None = None
    _pruned: str = ""
    _stopped: bool = False
    _reported: list[float] = field(default_factory=list)

    def poll(self) -> Outcome | None:
        """Starts the next run if none is running, and checks the running one; returns the outcome when there is one."""
        if self._process is None:
            return self._advance()
        code = self._process.exit_code()
        if not self.scores and self._has_reported() and code is None and self.trial.should_prune():
            self._prune()
        if code is None:
            return None
        self._process = None
        return self._finish(code)

    def stop(self) -> None:
        """Interrupts the trial; ``poll`` returns the outcome later."""
        self._stopped = True
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kills its process."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    @property
    def _folder(self) -> Path:
        return self.folders[len(self.scores)]

    def _advance(self) -> Outcome | None:
        """Starts the next seed without a result, or returns the outcome of the trial."""
        while len(self.scores) < len(self.folders):
            if self._stopped:
                return Outcome("interrupted", reason="interrupted")
            score = result(self._folder, self.metric)
            if score is None:
                self._start()
                return None
            if not math.isfinite(score):
                return self._no_result(score)
            self.scores.append(score)
        return Outcome("ok", fmean(self.scores))

    def _start(self) -> None:
        # A run whose `tune` was killed may still be saving.
        with try_lock(self._folder / LOCK) as free:
            if not free:
                return
        command = self.command(self.values, self.seeds[len(self.scores)], self._folder)
        self._process = Process(command, self._folder / LOG, self.environment)

    def _has_reported(self) -> bool:
        """Reports the first seed's metric of each new validation to Optuna; returns whether there was one."""
        from optuna.exceptions import UpdateFinishedTrialError

        numbers = progress(self._folder, self.metric)
        if self._stopped or self._pruned or len(numbers) <= len(self._reported):
            return False
        try:
            for step in range(len(self._reported), len(numbers)):
                self.trial.report(numbers[step], step + 1)
        except UpdateFinishedTrialError:
            # Another process considered it dead, as after this machine was suspended, and resumed it.
            self.stop()
            return False
        self._reported = numbers
        return True

    def _prune(self) -> None:
        assert self._process is not None
        self._pruned = f"pruned at {self.metric}={self._reported[-1]:.4g} after validation {len(self._reported)}"
        self._process.stop()

    def _finish(self, code: int) -> Outcome | None:
        value = result(self._folder, self.metric)
        # It may have finished before it received the signal.
        if value is not None and math.isfinite(value):
            self.scores.append(value)
            is_last = len(self.scores) == len(self.folders)
            return Outcome("pruned", reason=self._pruned) if self._pruned and not is_last else self._advance()
        if code == 0:
            return self._no_result(value)
        if self._pruned:
            record_failure(self._folder, self._pruned, interrupted=True, replace=True)
            return Outcome("pruned", reason=self._pruned)
        if self._stopped:
            return Outcome("interrupted", reason="interrupted")
        reason = failure_reason(self._folder, self._folder / LOG)
        message = f"it {describe_exit(code)}{f': {reason}' if reason else ''}"
        return Outcome("failed", reason=message, refused=code == REFUSED)

    def _no_result(self, value: float | None) -> Outcome:
        return Outcome("failed", reason=f"its {self.metric} is {'absent' if value is None else value}")
