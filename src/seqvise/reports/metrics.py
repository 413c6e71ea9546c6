"""The metrics of a report, and whether larger or smaller values are better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from seqvise.errors import UserError
from seqvise.moved import current_metric
from seqvise.reports.job import Job
from seqvise.tasks.options import is_smaller_better

MAIN = (
    "val/bleu",
    "val/chrf",
    "val/loss",
    "val/ppl",
    "test/bleu",
    "test/chrf",
    "test/ppl",
    "val/hit@1",
    "val/held_out/hit@1",
    "test/seen/hit@1",
    "test/held_out/hit@1",
    "seconds",
)
UNITS = {"seconds": "s"}
MAX_LISTED = 20


def chosen_metrics(jobs: Sequence[Job], requested: Sequence[str]) -> list[str]:
    """The metrics of a report, its sort key first: those requested, or the monitored, the user's own and the main ones.

    Raises:
        UserError: no job has a requested metric, or jobs monitor different metrics.
    """
    known = numbers(jobs)
    if not requested:
        users = [f"{stage}/{name}" for job in jobs for name in job.own_metrics for stage in ("val", "test")]
        return list(dict.fromkeys([_monitored(jobs), *(name for name in (*users, *MAIN) if name in known)]))
    any_finished = any(job.state() == "ok" for job in jobs)
    names = list(dict.fromkeys(map(current_metric, requested)))
    if messages := [_absent(name, known) for name in names if any_finished and name not in known]:
        raise UserError(*messages)
    return names


def numbers(jobs: Iterable[Job]) -> list[str]:
    """All metrics that are numbers in a finished job."""
    return list(dict.fromkeys(name for job in jobs for name in job.metrics if job.number(name) is not None))


def direction(metric: str, jobs: Sequence[Job], requested: str | None) -> str:
    """``max`` or ``min``: as requested, as the jobs monitor it, or by the metric's name."""
    modes = {job.monitored[1] for job in jobs if job.monitored is not None and job.monitored[0] == metric}
    if requested is not None:
        return requested
    return modes.pop() if len(modes) == 1 else "min" if is_smaller_better(metric) else "max"


def _monitored(jobs: Sequence[Job]) -> str:
    names = list(dict.fromkeys(job.monitored[0] for job in jobs if job.monitored is not None))
    if len(names) > 1:
        raise UserError(f"The jobs are monitored by {', '.join(names)}: choose one to sort by, as metric={names[0]}.")
    if not names:
        raise UserError(
            "No job has a monitored metric (monitor.metric): choose a metric to sort by, as metric=val/loss."
        )
    return names[0]


def _absent(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"metric={name}: no job has it; no job has any metric."
    similar = get_close_matches(name, known, n=MAX_LISTED, cutoff=0.5)
    shown = list(dict.fromkeys([*similar, *known]))[:MAX_LISTED]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return f"metric={name}: no job has it; known are {', '.join(shown)}{more}."
