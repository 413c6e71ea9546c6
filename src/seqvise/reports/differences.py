"""Determines which keys differ between jobs, without redundant ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from seqvise.reports.job import ABSENT, Job, Value


@dataclass(frozen=True)
class Differences:
    """Keys whose values differ between jobs.

    Attributes:
        parameters: those of the command line in its order, then config groups, then keys.
        seeds: keys named ``seed``; they do not define a different configuration.
    """

    parameters: tuple[str, ...]
    seeds: tuple[str, ...]

    def configuration(self, job: Job) -> tuple[Value, ...]:
        """A job's value of each parameter; jobs with equal values differ only in their seed."""
        return tuple(value_of(job, name) for name in self.parameters)


def differences(jobs: Sequence[Job]) -> Differences:
    """Determines the columns of a report.

    A key is omitted if another column determines it: a value of ``model.*`` that follows from the choice of ``model``,
    any value that follows from the choice of ``experiment``, and copies such as ``data.seed`` of ``seed``. Keys on the
    command line of a job are never omitted.
    """
    names = list(dict.fromkeys(name for job in jobs for name in job.settings))
    differing = [name for name in names if len({value_of(job, name) for job in jobs}) > 1]
    seeds = [name for name in differing if _is_seed(name)]
    overridden = list(dict.fromkeys(name for job in jobs for name in job.overrides))
    groups = {name for job in jobs for name in job.choices}
    rest = sorted((name for name in differing if name not in seeds), key=lambda name: name not in groups)
    shown = [name for name in overridden if name in rest]
    for name in rest:
        if name not in overridden and not _is_redundant(name, [*shown, *seeds], groups, jobs):
            shown.append(name)
    return Differences(tuple(shown), tuple(seeds))


def value_of(job: Job, name: str) -> Value:
    """A job's value of a key; a dash if it lacks the key."""
    return job.settings.get(name, ABSENT)


def text(value: Value) -> str:
    """A value as written in a config."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def alternatives(names: Iterable[str], jobs: Sequence[Job]) -> dict[str, list[Value]]:
    """Distinct values of each key: numbers by size, then other values by name."""
    return {name: ordered({value_of(job, name) for job in jobs}) for name in names}


def ordered(values: Iterable[Value]) -> list[Value]:
    """Sorts values: numbers by size, then other values by name."""
    return sorted(values, key=lambda value: (not is_number(value), value if is_number(value) else 0, text(value)))


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_seed(name: str) -> bool:
    return name.rpartition(".")[2] == "seed"


def _is_redundant(name: str, shown: Sequence[str], groups: set[str], jobs: Sequence[Job]) -> bool:
    """Whether a column determines a key's value, or equals it."""
    if any(all(value_of(job, name) == value_of(job, other) for job in jobs) for other in shown):
        return True
    return any(_is_determined_by(name, other, jobs) for other in _determining_groups(name, shown, groups))


def _determining_groups(name: str, shown: Sequence[str], groups: set[str]) -> Iterator[str]:
    for other in shown:
        if other in groups and (other == "experiment" or name.startswith(f"{other}.")):
            yield other


def _is_determined_by(name: str, other: str, jobs: Sequence[Job]) -> bool:
    implied: dict[Value, Value] = {}
    return all(implied.setdefault(value_of(job, other), value_of(job, name)) == value_of(job, name) for job in jobs)
