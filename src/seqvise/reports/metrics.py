"""Which metrics a report shows, and which way each is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from seqvise.errors import UserError
from seqvise.reports.job import Job

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
SMALLER = ("loss", "ppl", "ter", "seconds", "parameters", "steps", "epochs", "epoch")
NAMED = 20


def chosen_metrics(jobs: Sequence[Job], asked: Sequence[str]) -> list[str]:
    """The metrics of a report, what it is sorted by first: those asked for, or the monitored one and the main ones.

    Raises:
        UserError: no job has one of those asked for, or jobs are monitored by several.
    """
    there = numbers(jobs)
    if not asked:
        return [_monitored(jobs), *(name for name in MAIN if name in there and name != _monitored(jobs))]
    done = any(job.state() == "ok" for job in jobs)
    if problems := [_absent(name, there) for name in dict.fromkeys(asked) if done and name not in there]:
        raise UserError(*problems)
    return list(dict.fromkeys(asked))


def numbers(jobs: Iterable[Job]) -> list[str]:
    """All metrics that are a number in a job that is done."""
    return list(dict.fromkeys(name for job in jobs for name in job.metrics if job.number(name) is not None))


def direction(metric: str, jobs: Sequence[Job], asked: str | None) -> str:
    """``max`` or ``min``: as asked, as the jobs monitor it, or what its name says."""
    modes = {job.monitored[1] for job in jobs if job.monitored is not None and job.monitored[0] == metric}
    if asked is not None:
        return asked
    return modes.pop() if len(modes) == 1 else "min" if is_smaller_better(metric) else "max"


def is_smaller_better(metric: str) -> bool:
    """Whether a metric's name is that of a loss, or of a cost."""
    last = metric.rpartition("/")[2]
    return last in SMALLER or last.endswith("_loss")


def _monitored(jobs: Sequence[Job]) -> str:
    found = list(dict.fromkeys(job.monitored[0] for job in jobs if job.monitored is not None))
    if len(found) > 1:
        raise UserError(f"The jobs are monitored by {', '.join(found)}: say by which to sort, as metric={found[0]}.")
    if not found:
        raise UserError(
            "No job says what it is monitored by (monitor.metric): say by what to sort, as metric=val/loss."
        )
    return found[0]


def _absent(name: str, there: Sequence[str]) -> str:
    if not there:
        return f"metric={name}: no job has it, as none has any metric."
    near = get_close_matches(name, there, n=NAMED, cutoff=0.5)
    shown = list(dict.fromkeys([*near, *there]))[:NAMED]
    more = f" and {len(there) - len(shown)} more" if len(there) > len(shown) else ""
    return f"metric={name}: no job has it; there are {', '.join(shown)}{more}."
