"""A sweep as one table: the differing keys and the results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from seqvise.reports.differences import Differences, differences, text
from seqvise.reports.environments import marks
from seqvise.reports.job import Job, Value
from seqvise.reports.metrics import chosen_metrics, direction, numbers


@dataclass(frozen=True)
class Result:
    """A metric over the seeds of a configuration.

    Attributes:
        mean: mean over finished jobs with this metric; NaN if there are none.
        deviation: sample standard deviation (n - 1); None for fewer than two.
        n: number of these jobs.
    """

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Result:
        """The result of any number of values."""
        if not all(map(math.isfinite, values)):
            return cls(math.nan, None, len(values))
        return cls(fmean(values) if values else math.nan, stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Row:
    """A configuration.

    Attributes:
        jobs: one job per seed.
        marks: letters of its unusual environment facts.
    """

    values: tuple[Value, ...]
    jobs: tuple[Job, ...]
    results: tuple[Result, ...]
    marks: tuple[str, ...]

    @property
    def best(self) -> Result:
        """Result of the metric that the report is sorted by."""
        return self.results[0]

    def states(self) -> str:
        """Number of jobs in each state: ``2 ok, 1 failed``."""
        states = [job.state() for job in self.jobs]
        return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states), key=lambda s: s != "ok"))


@dataclass(frozen=True)
class SweepReport:
    """A sweep.

    Attributes:
        metrics: the metrics; rows are sorted by the first.
        mode: ``max`` or ``min``: which values of the first metric are better.
        rows: the configurations, best first; those without a result last.
        marks: a sentence for each letter.
        unreadable: jobs without a config that could be read.
        notes: further sentences, about missing results.
    """

    differing: Differences
    metrics: tuple[str, ...]
    mode: str
    rows: tuple[Row, ...]
    marks: dict[str, str]
    unreadable: tuple[Job, ...]
    notes: tuple[str, ...]

    def jobs(self) -> list[Job]:
        """All jobs, those of the best configuration first."""
        return [*(job for row in self.rows for job in row.jobs), *self.unreadable]

    def label(self, row: Row) -> str:
        """A configuration as text: ``model=rnn, optimizer.lr=0.001``."""
        pairs = zip(self.differing.parameters, row.values, strict=True)
        return ", ".join(f"{name}={text(value)}" for name, value in pairs) or "the configuration"

    def troubles(self) -> list[tuple[Job, str]]:
        """Jobs without a result, with their configuration as text."""
        named = [(job, self.job_label(row, job)) for row in self.rows for job in row.jobs]
        named += [
            (job, ", ".join(f"{name}={value}" for name, value in job.overrides.items())) for job in self.unreadable
        ]
        return [(job, label) for job, label in named if job.state() != "ok"]

    def job_label(self, row: Row, job: Job) -> str:
        """A configuration and the seed of one job as text."""
        seeds = [f"{name}={text(job.settings.get(name))}" for name in self.differing.seeds if name == "seed"]
        label = self.label(row) if self.differing.parameters else ""
        return ", ".join(part for part in (label, *seeds) if part)


def build_report(jobs: Sequence[Job], metrics: Sequence[str] = (), mode: str | None = None) -> SweepReport:
    """Builds a report with one row per configuration, best first.

    Args:
        jobs: at least one job, of one or several sweeps.
        metrics: the metrics to show, sorted by the first; empty for the monitored metric and the main ones.
        mode: ``max`` or ``min``: which values of the first are better; None: as monitored, or by its name.

    Raises:
        UserError: a metric that no job has.
    """
    readable = [job for job in jobs if job.settings]
    shown = chosen_metrics(readable, metrics) if readable else list(metrics)
    mode = direction(shown[0], readable, mode) if shown else "max"
    differing = differences(readable)
    sentences, letters = marks(readable)
    job_marks = {job.path: job_letters for job, job_letters in zip(readable, letters, strict=True)}
    groups: dict[tuple[Value, ...], list[Job]] = {}
    for job in readable:
        groups.setdefault(differing.configuration(job), []).append(job)
    rows = [_row(values, group, shown, job_marks) for values, group in groups.items()]
    rows.sort(key=lambda row: _rank(row, mode))
    unreadable = tuple(job for job in jobs if not job.settings)
    return SweepReport(
        differing, tuple(shown), mode, tuple(rows), sentences, unreadable, tuple(_notes(readable, shown))
    )


def _row(values: tuple[Value, ...], jobs: list[Job], metrics: Sequence[str], letters: Mapping[Path, list[str]]) -> Row:
    results = [Result.of([value for job in jobs if (value := job.number(name)) is not None]) for name in metrics]
    row_marks = dict.fromkeys(letter for job in jobs for letter in letters[job.path])
    return Row(values, tuple(jobs), tuple(results), tuple(row_marks))


def _rank(row: Row, mode: str) -> tuple[bool, bool, float]:
    """Sort key: finite results first, then NaN, then rows without a result."""
    mean = row.best.mean
    return row.best.n == 0, math.isnan(mean), 0.0 if math.isnan(mean) else -mean if mode == "max" else mean


def _notes(jobs: Sequence[Job], metrics: Sequence[str]) -> Iterable[str]:
    finished = [job for job in jobs if job.state() == "ok"]
    if not finished:
        yield "No job has finished yet."
        return
    without = [job for job in finished if job.number(metrics[0]) is None]
    if len(without) == len(finished):
        yield f"No job has {metrics[0]}; known are {', '.join(numbers(jobs)[:20]) or 'no metrics'}."
    elif without:
        yield f"Without {metrics[0]}: {', '.join(job.name for job in without)}."
