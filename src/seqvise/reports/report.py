"""A sweep as one table: what differed, and what came out."""

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
        mean: of those jobs that are done and have it; NaN where there are none.
        deviation: standard deviation of the sample (n - 1); None of fewer than two.
        n: how many they are.
    """

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Result:
        """The result of some values, which may be none."""
        if not all(map(math.isfinite, values)):
            return cls(math.nan, None, len(values))
        return cls(fmean(values) if values else math.nan, stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Row:
    """A configuration.

    Attributes:
        values: of each parameter.
        jobs: one a seed.
        results: of each metric.
        marks: letters of what it ran on that others did not.
    """

    values: tuple[Value, ...]
    jobs: tuple[Job, ...]
    results: tuple[Result, ...]
    marks: tuple[str, ...]

    @property
    def best(self) -> Result:
        """Of the metric that the report is sorted by."""
        return self.results[0]

    def states(self) -> str:
        """How many jobs are done, and how the others stand: ``2 ok, 1 failed``."""
        states = [job.state() for job in self.jobs]
        return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states), key=lambda s: s != "ok"))


@dataclass(frozen=True)
class SweepReport:
    """A sweep.

    Attributes:
        differing: the keys that differ.
        metrics: what is shown, the first is what rows are sorted by.
        mode: ``max`` or ``min``, which of it is better.
        rows: the configurations, best first; those without a result last.
        marks: a sentence for each letter.
        unreadable: jobs without a config that could be read.
        notes: sentences about what the table cannot say.
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
        """A configuration in words: ``model=rnn, optimizer.lr=0.001``."""
        pairs = zip(self.differing.parameters, row.values, strict=True)
        return ", ".join(f"{name}={text(value)}" for name, value in pairs) or "the configuration"

    def troubles(self) -> list[tuple[Job, str]]:
        """Jobs that are no result, with their configuration in words."""
        named = [(job, self.job_label(row, job)) for row in self.rows for job in row.jobs]
        named += [
            (job, ", ".join(f"{name}={value}" for name, value in job.overrides.items())) for job in self.unreadable
        ]
        return [(job, label) for job, label in named if job.state() != "ok"]

    def job_label(self, row: Row, job: Job) -> str:
        """A configuration and the seed of one job in words."""
        seeds = [f"{name}={text(job.settings.get(name))}" for name in self.differing.seeds if name == "seed"]
        label = self.label(row) if self.differing.parameters else ""
        return ", ".join(part for part in (label, *seeds) if part)


def build_report(jobs: Sequence[Job], metrics: Sequence[str] = (), mode: str | None = None) -> SweepReport:
    """One row a configuration, best first.

    Args:
        jobs: of one or several sweeps, at least one.
        metrics: what is shown, sorted by the first; none: the monitored metric and the main ones.
        mode: ``max`` or ``min``, which of the first is better; null: as monitored, or what its name says.

    Raises:
        UserError: a metric that no job has.
    """
    readable = [job for job in jobs if job.settings]
    shown = chosen_metrics(readable, metrics) if readable else list(metrics)
    mode = direction(shown[0], readable, mode) if shown else "max"
    differing = differences(readable)
    sentences, letters = marks(readable)
    of_job = {job.path: each for job, each in zip(readable, letters, strict=True)}
    groups: dict[tuple[Value, ...], list[Job]] = {}
    for job in readable:
        groups.setdefault(differing.configuration(job), []).append(job)
    rows = [_row(values, group, shown, of_job) for values, group in groups.items()]
    rows.sort(key=lambda row: _rank(row, mode))
    unreadable = tuple(job for job in jobs if not job.settings)
    return SweepReport(
        differing, tuple(shown), mode, tuple(rows), sentences, unreadable, tuple(_notes(readable, shown))
    )


def _row(values: tuple[Value, ...], jobs: list[Job], metrics: Sequence[str], letters: Mapping[Path, list[str]]) -> Row:
    results = [Result.of([value for job in jobs if (value := job.number(name)) is not None]) for name in metrics]
    marked = dict.fromkeys(letter for job in jobs for letter in letters[job.path])
    return Row(values, tuple(jobs), tuple(results), tuple(marked))


def _rank(row: Row, mode: str) -> tuple[bool, bool, float]:
    """Results first, then those that are no number, then those that are none."""
    mean = row.best.mean
    return row.best.n == 0, math.isnan(mean), 0.0 if math.isnan(mean) else -mean if mode == "max" else mean


def _notes(jobs: Sequence[Job], metrics: Sequence[str]) -> Iterable[str]:
    done = [job for job in jobs if job.state() == "ok"]
    if not done:
        yield "No job is done yet."
        return
    without = [job for job in done if job.number(metrics[0]) is None]
    if len(without) == len(done):
        yield f"No job has {metrics[0]}; there are {', '.join(numbers(jobs)[:20]) or 'no metrics'}."
    elif without:
        yield f"Without {metrics[0]}: {', '.join(job.name for job in without)}."
