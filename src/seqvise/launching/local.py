"""Runs the jobs of a sweep as separate processes on this machine, several at a time."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqvise.errors import LOG
from seqvise.files import try_lock
from seqvise.launching.parent import REFUSED, kill_job, recorded_signals, start_job
from seqvise.launching.pool import VISIBLE, Pool
from seqvise.launching.processes import PROGRAM, directory_override
from seqvise.launching.ranks import describe_exit
from seqvise.runs.directory import CONFIG, LOCK, read_metrics, read_status, record_failure

log = logging.getLogger(__name__)
POLL_SECONDS = 0.02
"""Seconds between two checks for jobs that have ended."""
LOCK_TIMEOUT_SECONDS = 60.0
"""Seconds to wait for a job's folder that a process of an earlier sweep still locks."""
ERROR_PREFIX = "seqvise: "
"""Prefix of the error message of a failed command."""


@dataclass(frozen=True)
class LocalJob:
    """A job to run.

    Attributes:
        varied: the overrides that the sweep varies.
        argv: arguments of its process, after the command.
        devices: number of CUDA devices that it needs.
        metric: name of the monitored metric.
    """

    number: int
    overrides: Sequence[str]
    varied: Sequence[str]
    argv: Sequence[str]
    folder: Path
    devices: int
    environment: dict[str, str]
    metric: str


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended. failure: None if it succeeded; value: then that of the monitored metric."""

    number: int
    failure: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class _Running:
    job: LocalJob
    process: subprocess.Popen[bytes]
    devices: tuple[str, ...]
    started: float
    log_start: int


def run_jobs(jobs: Sequence[LocalJob], pool: Pool, command: str) -> list[JobOutcome]:
    """Runs jobs in order, each as soon as the pool has a free slot and devices.

    After Ctrl-C or SIGTERM the running jobs save and end, and no other is started. A second Ctrl-C kills them.

    Args:
        pool: the slots and devices that they share.
        command: the seqvise command that each job runs.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM, with the code 143.
    """
    waiting, running, outcomes, notified = deque(jobs), list[_Running](), list[JobOutcome](), set[int]()
    with recorded_signals() as received:
        while running or (waiting and not received):
            while waiting and not received and (devices := pool.take(waiting[0].devices)) is not None:
                running.append(_start(waiting.popleft(), devices, command))
            for ended in [active for active in running if active.process.poll() is not None]:
                running.remove(ended)
                pool.give_back(ended.devices)
                outcomes.append(_end(ended))
            _forward_signals(received, running, notified)
            time.sleep(POLL_SECONDS)
    if received:
        raise KeyboardInterrupt if received[0] == signal.SIGINT else SystemExit(128 + received[0])
    return outcomes


def _start(job: LocalJob, devices: tuple[str, ...], command: str) -> _Running:
    job.folder.mkdir(parents=True, exist_ok=True)
    _wait_for_folder(job)
    place = f" on CUDA device {', '.join(devices)}" if devices else ""
    log.info("job %d starts%s: %s", job.number, place, " ".join(job.varied))
    visible = {VISIBLE: ",".join(devices)} if devices else {}
    log_file = job.folder / LOG
    log_start = log_file.stat().st_size if log_file.exists() else 0
    # The log file holds the standard output, which includes the log messages.
    overrides = [*job.argv, directory_override(job.folder), "hydra.job_logging.root.handlers=[console]"]
    process = start_job([*PROGRAM, command, *overrides], log_file, job.environment | visible)
    return _Running(job, process, devices, time.monotonic(), log_start)


def _wait_for_folder(job: LocalJob) -> None:
    """Waits until jobs of a killed sweep have saved: the sweep may be resumed before they have."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while not _is_free(job.folder) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _is_free(folder: Path) -> bool:
    with try_lock(folder / LOCK) as free:
        return free


def _end(ended: _Running) -> JobOutcome:
    """Kills the processes that a job has left, and logs how it ended."""
    kill_job(ended.process)
    job, code = ended.job, ended.process.returncode
    seconds = time.monotonic() - ended.started
    if code == 0:
        value = value_of(job)
        result = "" if value is None else f": {job.metric} {value:.4g}"
        log.info("job %d done in %.0f s%s", job.number, seconds, result)
        return JobOutcome(job.number, value=value)
    failure = _failure(ended, code)
    verb = "stopped" if read_status(job.folder).get("interrupted") else "failed"
    log.error("job %d %s after %.0f s: %s", job.number, verb, seconds, failure)
    return JobOutcome(job.number, failure)


TERMINATED = (128 + signal.SIGTERM, -signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGINT)
"""Exit codes of a process that SIGTERM or SIGINT ended."""


def _failure(ended: _Running, code: int) -> str:
    """Why a job failed. Also records it, unless the folder is in use or holds a run that the job may not resume."""
    folder = ended.job.folder
    message = _last_sentence(folder / LOG, ended.log_start)
    refused = code == REFUSED and (folder / CONFIG).is_file()
    if not refused and _is_free(folder) and read_status(folder).get("status") != "ok":
        reason = message if message and code > 0 else f"the process {describe_exit(code)}."
        # A process that is terminated before it trains cannot record it.
        record_failure(folder, reason, interrupted=message is None and code in TERMINATED)
        return " ".join(str(read_status(folder).get("why")).split())
    return message or f"the process {describe_exit(code)}."


def _last_sentence(path: Path, start: int) -> str | None:
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.removeprefix(ERROR_PREFIX) for line in reversed(lines) if line.startswith(ERROR_PREFIX)), None)


def value_of(job: LocalJob) -> float | None:
    """The monitored metric of a finished job; None if it has none."""
    try:
        return float(read_metrics(job.folder)[job.metric])
    except (ValueError, KeyError, TypeError):
        return None


def _forward_signals(received: Sequence[int], running: Sequence[_Running], notified: set[int]) -> None:
    """Sends SIGTERM once to each job after this process received a signal; kills all at a second Ctrl-C."""
    kills = received[1:].count(signal.SIGINT) > 0
    for active in running:
        if kills:
            kill_job(active.process)
        elif received and active.process.pid not in notified:
            log.info("interrupted: job %d saves and ends", active.job.number)
            notified.add(active.process.pid)
            active.process.terminate()
