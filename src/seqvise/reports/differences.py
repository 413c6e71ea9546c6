"""What differs between jobs, in as few columns as say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from seqvise.reports.job import ABSENT, Job, Value


@dataclass(frozen=True)
class Differences:
    """Keys whose values differ between jobs.

    Attributes:
        parameters: config groups first, then keys.
        seeds: keys named ``seed``, which do not make another configuration.
    """

    parameters: tuple[str, ...]
    seeds: tuple[str, ...]

    def configuration(self, job: Job) -> tuple[Value, ...]:
        """A job's value of each parameter; jobs with the same ones differ by their seed alone."""
        return tuple(value_of(job, name) for name in self.parameters)


def differences(jobs: Sequence[Job]) -> Differences:
    """Finds the columns of a report.

    A key is left out that only follows another column: a value of ``model.*`` that goes with the choice of ``model``,
    anything that goes with the choice of ``experiment``, and a copy, as ``data.seed`` is of ``seed``. What the command
    line of a job names is never left out.

    Args:
        jobs: those that have a config.
    """
    names = list(dict.fromkeys(name for job in jobs for name in job.settings))
    differing = [name for name in names if len({value_of(job, name) for job in jobs}) > 1]
    seeds = [name for name in differing if _is_seed(name)]
    asked = {name for job in jobs for name in job.overrides}
    groups = {name for job in jobs for name in job.choices}
    chosen = [name for name in differing if name in groups and name in asked]
    rest = [name for name in differing if name not in chosen and name not in seeds]
    shown = [*chosen, *(name for name in rest if name in asked)]
    for name in sorted(rest, key=lambda name: name not in groups):
        if name not in asked and not _follows(name, [*shown, *seeds], groups, jobs):
            shown.append(name)
    return Differences(tuple(sorted(shown, key=lambda name: name not in groups)), tuple(seeds))


def value_of(job: Job, name: str) -> Value:
    """A job's value of a key; a dash where it has no such key."""
    return job.settings.get(name, ABSENT)


def text(value: Value) -> str:
    """A value as it is written in a config; a class without its modules."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def alternatives(names: Iterable[str], jobs: Sequence[Job]) -> dict[str, list[Value]]:
    """The distinct values of each key: numbers by size, all others by name."""
    return {name: ordered({value_of(job, name) for job in jobs}) for name in names}


def ordered(values: Iterable[Value]) -> list[Value]:
    """Numbers by size, then all others by name."""
    return sorted(values, key=lambda value: (not is_number(value), value if is_number(value) else 0, text(value)))


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value is a number, which has a size."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_seed(name: str) -> bool:
    return name.rpartition(".")[2] == "seed"


def _follows(name: str, shown: Sequence[str], groups: set[str], jobs: Sequence[Job]) -> bool:
    """Whether a key's value is told by one column that rules it, or is a copy of one."""
    if any(all(value_of(job, name) == value_of(job, other) for job in jobs) for other in shown):
        return True
    return any(_told_by(name, other, jobs) for other in _rulers(name, shown, groups))


def _rulers(name: str, shown: Sequence[str], groups: set[str]) -> Iterator[str]:
    for other in shown:
        if other in groups and (other == "experiment" or name.startswith(f"{other}.")):
            yield other


def _told_by(name: str, other: str, jobs: Sequence[Job]) -> bool:
    told: dict[Value, Value] = {}
    return all(told.setdefault(value_of(job, other), value_of(job, name)) == value_of(job, name) for job in jobs)
