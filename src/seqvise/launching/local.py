"""The jobs of a sweep as processes of their own on this machine, several at a time."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from seqvise.errors import LOG
from seqvise.files import try_lock
from seqvise.launching.pool import VISIBLE, Pool
from seqvise.launching.processes import PROGRAM, SWEEP, directory_word
from seqvise.launching.ranks import ending
from seqvise.runs.directory import CONFIG, LOCK, METRICS, read_status, record_failure

log = logging.getLogger(__name__)
LOOK = 0.02
"""Seconds between two looks at what has ended."""
HELD = 60.0
"""Seconds that a job's folder may still belong to a process of a sweep before."""
REFUSED = 2
"""The exit code of a job that was refused. One that had begun has recorded that itself."""
SAID = "seqvise: "
"""Begins the sentence with which a command ends that failed."""


@dataclass(frozen=True)
class LocalJob:
    """A job that is to be run.

    Attributes:
        number: in the sweep.
        overrides: all of them.
        shown: those in which it differs from others.
        words: what starts it.
        folder: its run directory.
        devices: how many CUDA devices it needs.
        environment: variables of its process.
        metric: the monitored one.
    """

    number: int
    overrides: Sequence[str]
    shown: Sequence[str]
    words: Sequence[str]
    folder: Path
    devices: int
    environment: dict[str, str]
    metric: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended. why: None where it is done; value: of the monitored metric then."""

    number: int
    why: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class _Running:
    job: LocalJob
    process: subprocess.Popen[bytes]
    devices: tuple[str, ...]
    began: float
    written: int


def run_jobs(jobs: Sequence[LocalJob], pool: Pool, command: str) -> list[Outcome]:
    """Runs jobs as soon as there is room for them, in their order.

    Ctrl-C or SIGTERM tells all that run to save and end, and starts no other; a second Ctrl-C kills them.

    Args:
        jobs: all of them.
        pool: what they share.
        command: of seqvise, which each of them is.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM, with the code 143.
    """
    waiting, running, outcomes, know = deque(jobs), list[_Running](), list[Outcome](), set[int]()
    with _listening() as told:
        while running or (waiting and not told):
            while waiting and not told and (devices := pool.take(waiting[0].devices)) is not None:
                running.append(_start(waiting.popleft(), devices, command))
            for ended in [each for each in running if each.process.poll() is not None]:
                running.remove(ended)
                pool.give_back(ended.devices)
                outcomes.append(_end(ended))
            _pass_on(told, running, know)
            time.sleep(LOOK)
    if told:
        raise KeyboardInterrupt if told[0] == signal.SIGINT else SystemExit(128 + told[0])
    return outcomes


def _start(job: LocalJob, devices: tuple[str, ...], command: str) -> _Running:
    job.folder.mkdir(parents=True, exist_ok=True)
    _wait_for_folder(job)
    place = f" on CUDA device {', '.join(devices)}" if devices else ""
    log.info("job %d starts%s: %s", job.number, place, " ".join(job.shown))
    environment = os.environ | job.environment | {SWEEP: str(os.getpid())}
    if devices:
        environment[VISIBLE] = ",".join(devices)
    with (job.folder / LOG).open("ab") as output:
        written = output.tell()
        process = subprocess.Popen(
            # What is logged is in the output, which is in the log.
            [*PROGRAM, command, *job.words, directory_word(job.folder), "hydra.job_logging.root.handlers=[console]"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches it through this process alone
        )
    return _Running(job, process, devices, time.monotonic(), written)


def _wait_for_folder(job: LocalJob) -> None:
    """A sweep that was killed tells its jobs to save, and is perhaps started again before they have."""
    until = time.monotonic() + HELD
    while not _is_free(job.folder) and time.monotonic() < until:
        time.sleep(LOOK)


def _is_free(folder: Path) -> bool:
    with try_lock(folder / LOCK) as free:
        return free


def _end(ended: _Running) -> Outcome:
    """Ends what a job has left behind, and tells how it ended."""
    with suppress(ProcessLookupError):
        os.killpg(ended.process.pid, signal.SIGKILL)
    job, code = ended.job, ended.process.returncode
    seconds = time.monotonic() - ended.began
    if code == 0:
        value = value_of(job)
        told = "" if value is None else f": {job.metric} {value:.4g}"
        log.info("job %d done in %.0f s%s", job.number, seconds, told)
        return Outcome(job.number, value=value)
    why = _why(ended, code)
    verb = "stopped" if read_status(job.folder).get("interrupted") else "failed"
    log.error("job %d %s after %.0f s: %s", job.number, verb, seconds, why)
    return Outcome(job.number, why)


def _why(ended: _Running, code: int) -> str:
    """Why a job failed. Its status says so too, unless the folder is in use, or is a run that it may not resume."""
    folder = ended.job.folder
    said = _last_sentence(folder / LOG, ended.written)
    refused = code == REFUSED and (folder / CONFIG).is_file()
    if not refused and _is_free(folder) and read_status(folder).get("status") != "ok":
        record_failure(folder, said if said and code > 0 else f"the process {ending(code)}.")
        return " ".join(str(read_status(folder).get("why")).split())
    return said or f"the process {ending(code)}."


def _last_sentence(path: Path, start: int) -> str | None:
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.removeprefix(SAID) for line in reversed(lines) if line.startswith(SAID)), None)


def value_of(job: LocalJob) -> float | None:
    """The monitored metric of a job that is done; None where it has none."""
    try:
        return float(json.loads((job.folder / METRICS).read_text(encoding="utf-8"))[job.metric])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _pass_on(told: Sequence[int], running: Sequence[_Running], know: set[int]) -> None:
    """Tells each process once what this one was told; kills all at a second Ctrl-C."""
    kills = told[1:].count(signal.SIGINT) > 0
    for each in running:
        if kills:
            os.killpg(each.process.pid, signal.SIGKILL)
        elif told and each.process.pid not in know:
            log.info("told to stop: job %d saves and ends", each.job.number)
            know.add(each.process.pid)
            each.process.terminate()


@contextmanager
def _listening() -> Iterator[list[int]]:
    """Takes down which signals come."""
    told: list[int] = []

    def hear(signum: int, _: FrameType | None) -> None:
        told.append(signum)

    before: dict[int, Any] = {}
    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            before[signum] = signal.signal(signum, hear)
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
