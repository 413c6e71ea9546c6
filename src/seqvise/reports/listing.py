"""Runs that are known: found in a folder, filtered and sorted."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from seqvise.errors import UserError
from seqvise.reports.differences import is_number, text, value_of
from seqvise.reports.environments import facts
from seqvise.reports.grid import Grid, number_text
from seqvise.reports.job import ABSENT, Job, Value, duration, is_run, read_job
from seqvise.reports.metrics import direction, numbers
from seqvise.runs.directory import CONFIG, STATUS

NEXT = re.compile(r",(?=\s*[\w./@-]+=)")
"""A comma behind which another condition begins."""
NAMES = ("experiment", "model", "data")


@dataclass(frozen=True)
class Condition:
    """A key and the value that runs must have of it."""

    name: str
    value: str

    def holds(self, job: Job) -> bool:
        """Whether a run has that value."""
        return _same(_value(job, self.name), self.value)


def find_runs(folder: Path) -> list[Job]:
    """All runs below a folder, by path; what lies within a run directory, and caches, are not looked through.

    Raises:
        UserError: there is no such folder, or it has no run.
    """
    if not folder.is_dir():
        told = "is a file" if folder.exists() else "there is no such folder"
        raise UserError(f"folder={folder}: {told}; write the folder of runs, as folder=outputs.")
    if not (paths := list(_paths(folder))):
        raise UserError(f"folder={folder}: no run directory is in it.")
    return [read_job(path) for path in paths]


def conditions(where: Sequence[str]) -> list[Condition]:
    """What ``model=attention,data=tatoeba`` asks for.

    Raises:
        UserError: a part is not key=value.
    """
    parts = [part.strip() for words in where for part in NEXT.split(words)]
    if problems := [f"where: '{part}' is not key=value." for part in parts if not part.partition("=")[1]]:
        raise UserError(*problems)
    return [Condition(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in parts)]


def filtered(jobs: Sequence[Job], asked: Sequence[Condition]) -> list[Job]:
    """The runs for which all conditions hold.

    Raises:
        UserError: no run has such a key.
    """
    known = list(dict.fromkeys(name for job in jobs for name in (*job.settings, *_facts(job))))
    if problems := [_unknown(each.name, known) for each in asked if each.name not in known]:
        raise UserError(*problems)
    return [job for job in jobs if all(each.holds(job) for each in asked)]


def sort_runs(jobs: Sequence[Job], by: str) -> list[Job]:
    """The latest first (``date``), the longest first (``duration``), or the best first by a metric.

    Raises:
        UserError: no run has that metric.
    """
    if by == "date":
        return sorted(jobs, key=started, reverse=True)
    if by == "duration":
        return sorted(jobs, key=lambda job: -(job.seconds or 0.0))
    there = numbers(jobs)
    if by not in there:
        raise UserError(f"sort={by}: no run has it; there are {', '.join(_near(by, ['date', 'duration', *there]))}.")
    sign = -1.0 if direction(by, jobs, None) == "max" else 1.0

    def rank(job: Job) -> tuple[bool, float]:
        value = job.number(by)
        return value is None or math.isnan(value), 0.0 if value is None else sign * value

    return sorted(jobs, key=rank)


def runs_grid(jobs: Sequence[Job], folder: Path, by: str) -> Grid:
    """A line a run. by: what they are sorted by; a metric has a column where it is not the monitored one."""
    metric = by if by not in ("date", "duration") else ""
    extra = [metric] if metric and any(job.monitored is None or job.monitored[0] != metric for job in jobs) else []
    head = ["date", "run", "model", "changed", "status", "monitored", *extra, "duration", "device"]
    lines = [_line(job, folder, extra) for job in jobs]
    return Grid(head, lines, [name == "duration" or name in extra for name in head])


def started(job: Job) -> float:
    """When a run began, in seconds since 1970."""
    found = job.status.get("started")
    return float(found) if isinstance(found, int | float) else job.written


def _line(job: Job, folder: Path, extra: Sequence[str]) -> list[str]:
    date = datetime.fromtimestamp(started(job)).strftime("%Y-%m-%d %H:%M")
    state, why = job.state(), job.reason()
    changed = " ".join(f"{name}={value}" for name, value in job.overrides.items() if name not in NAMES[:2])
    values = [job.number(name) for name in extra]
    return [
        date,
        os.path.relpath(job.path, folder),
        _model(job),
        changed,
        f"{state}: {why}" if why and why != state else state,
        _monitored(job),
        *("" if value is None else number_text(value) for value in values),
        "" if job.seconds is None else duration(job.seconds),
        facts(job).get("device", ""),
    ]


def _model(job: Job) -> str:
    names = [job.choices.get(name, "") for name in NAMES[:2]]
    return next((name for name in names if name not in ("", "None", "null")), "")


def _monitored(job: Job) -> str:
    value = None if job.monitored is None else job.number(job.monitored[0])
    return "" if job.monitored is None or value is None else f"{job.monitored[0]} {number_text(value)}"


def _paths(folder: Path) -> Iterator[Path]:
    if is_run(folder):
        # Hydra makes a folder for the learning rate finder too.
        yield from [folder] if (folder / CONFIG).exists() or (folder / STATUS).exists() else []
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name != "cache" and not path.name.startswith("."):
            yield from _paths(path)


def _facts(job: Job) -> dict[str, str]:
    return {"status": job.state(), **facts(job)}


def _value(job: Job, name: str) -> Value:
    found = value_of(job, name)
    return _facts(job).get(name, ABSENT) if found == ABSENT else found


def _same(found: Value, asked: str) -> bool:
    if is_number(found):
        try:
            return float(asked) == float(found)
        except ValueError:
            return False
    return text(found) == asked


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"where: no run has the key {name}; there are {', '.join(_near(name, known))} and others."


def _near(name: str, known: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*get_close_matches(name, known, n=5, cutoff=0.4), *known]))[:12]
