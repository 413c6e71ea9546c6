"""Lists runs: finds them in a folder, filters and sorts them."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from seqvise.errors import UserError
from seqvise.moved import current_metric
from seqvise.reports.differences import is_number, text, value_of
from seqvise.reports.environments import facts
from seqvise.reports.grid import TextTable, number_text
from seqvise.reports.job import ABSENT, Job, Value, duration, is_run, read_job
from seqvise.reports.metrics import direction, numbers
from seqvise.runs.directory import CONFIG, STATUS

SEPARATOR = re.compile(r",(?=\s*[\w./@-]+=)")
"""A comma before another condition."""
MAX_VALUES = 8
"""Maximum number of values in a message."""
NAMES = ("experiment", "model", "data")


@dataclass(frozen=True)
class Condition:
    """A key and the value that runs must have."""

    name: str
    value: str

    def holds(self, job: Job) -> bool:
        """Whether a run has this value."""
        return _equals(_value(job, self.name), self.value)


def find_runs(folder: Path) -> list[Job]:
    """All runs below a folder, by path; does not search caches and run directories.

    Raises:
        UserError: the folder does not exist or contains no run.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"folder={folder} {reason}: set it to a folder of runs, such as folder=outputs.")
    if not (paths := list(_paths(folder))):
        raise UserError(f"folder={folder} contains no run directory.")
    return [read_job(path) for path in paths]


def conditions(where: Sequence[str]) -> list[Condition]:
    """Parses conditions such as ``model=attention,data=tatoeba``.

    Raises:
        UserError: a part is not key=value.
    """
    parts = [part.strip() for argument in where for part in SEPARATOR.split(argument)]
    if messages := [f"where: '{part}' is not key=value." for part in parts if not part.partition("=")[1]]:
        raise UserError(*messages)
    pairs = (part.partition("=") for part in parts)
    return [Condition(name.strip(), current_metric(value.strip())) for name, _, value in pairs]


def filter_runs(jobs: Sequence[Job], required: Sequence[Condition]) -> list[Job]:
    """The runs that meet all conditions.

    Raises:
        UserError: no run has a key of the conditions.
    """
    known = list(dict.fromkeys(name for job in jobs for name in (*job.settings, *_facts(job))))
    if messages := [_unknown(name, known) for name in (item.name for item in required) if name not in known]:
        raise UserError(*messages)
    return [job for job in jobs if all(condition.holds(job) for condition in required)]


def existing_values(jobs: Sequence[Job], required: Sequence[Condition]) -> list[str]:
    """For conditions that no run meets: the values that runs have, most frequent first; one sentence per key."""
    counts = {item.name: Counter(text(_value(job, item.name)) for job in jobs) for item in required}
    return [f"{name} is {_listed(values)}." for name, values in counts.items()]


def sort_runs(jobs: Sequence[Job], by: str) -> list[Job]:
    """Sorts runs: latest first (``date``), longest first (``duration``), or best first by a metric.

    Raises:
        UserError: no run has that metric.
    """
    if by == "date":
        return sorted(jobs, key=started, reverse=True)
    if by == "duration":
        return sorted(jobs, key=lambda job: -(job.seconds or 0.0))
    metrics = numbers(jobs)
    if by not in metrics:
        raise UserError(
            f"sort={by}: no run has this metric; known are {', '.join(_similar(by, ['date', 'duration', *metrics]))}."
        )
    sign = -1.0 if direction(by, jobs, None) == "max" else 1.0

    def rank(job: Job) -> tuple[bool, float]:
        value = job.number(by)
        return value is None or math.isnan(value), 0.0 if value is None else sign * value

    return sorted(jobs, key=rank)


def runs_grid(jobs: Sequence[Job], folder: Path, by: str) -> TextTable:
    """One row per run. by: the sort key; a metric gets a column unless it is the monitored one."""
    metric = by if by not in ("date", "duration") else ""
    extra = [metric] if metric and any(job.monitored is None or job.monitored[0] != metric for job in jobs) else []
    head = ["run", "score", *extra, "status", "changed", "model", "duration", "date", "device"]
    lines = [_line(job, folder, extra) for job in jobs]
    return TextTable(head, lines, [name == "duration" or name in extra for name in head])


def started(job: Job) -> float:
    """Start of a run, in seconds since 1970."""
    start = job.status.get("started")
    return float(start) if isinstance(start, int | float) else job.written


def _line(job: Job, folder: Path, extra: Sequence[str]) -> list[str]:
    date = datetime.fromtimestamp(started(job)).strftime("%Y-%m-%d %H:%M")
    state, reason = job.state(), job.reason()
    changed = " ".join(f"{name}={value}" for name, value in job.overrides.items() if name not in NAMES[:2])
    values = [job.number(name) for name in extra]
    return [
        os.path.relpath(job.path, folder),
        _score(job),
        *("" if value is None else number_text(value) for value in values),
        f"{state}: {reason}" if reason and reason != state else state,
        changed,
        _model(job),
        "" if job.seconds is None else duration(job.seconds),
        date,
        facts(job).get("device", ""),
    ]


def _model(job: Job) -> str:
    names = [job.choices.get(name, "") for name in NAMES[:2]]
    return next((name for name in names if name not in ("", "None", "null")), "")


def _score(job: Job) -> str:
    value = None if job.monitored is None else job.number(job.monitored[0])
    return "" if job.monitored is None or value is None else f"{job.monitored[0]} {number_text(value)}"


def _paths(folder: Path) -> Iterator[Path]:
    if is_run(folder):
        # The learning rate finder also leaves a Hydra folder.
        yield from [folder] if (folder / CONFIG).exists() or (folder / STATUS).exists() else []
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name != "cache" and not path.name.startswith("."):
            yield from _paths(path)


def _facts(job: Job) -> dict[str, str]:
    return {"status": job.state(), **facts(job)}


def _value(job: Job, name: str) -> Value:
    value = value_of(job, name)
    return _facts(job).get(name, ABSENT) if value == ABSENT else value


def _listed(values: Counter[str]) -> str:
    del values[ABSENT]
    shown = [f"{value} in {count}" for value, count in values.most_common(MAX_VALUES)]
    more = [f"and {len(values) - MAX_VALUES} more"] if len(values) > MAX_VALUES else []
    return ", ".join([*shown, *more])


def _equals(value: Value, required: str) -> bool:
    if is_number(value):
        try:
            return float(required) == float(value)
        except ValueError:
            return False
    return text(value) == required


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"where: no run has the key {name}; known are {', '.join(_similar(name, known))} and others."


def _similar(name: str, known: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*get_close_matches(name, known, n=5, cutoff=0.4), *known]))[:12]
