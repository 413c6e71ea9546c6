"""What a report is about: the sweeps, their date and the overrides that all jobs share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from seqvise.reports.job import RESULT_NEUTRAL
from seqvise.reports.report import SweepReport

DATED = re.compile(r"\d{4}-\d\d-\d\d[_T].*")
"""Name of the folder of a sweep that is named after its start; its parent is named after the sweep."""
NOT_FIXED = (*RESULT_NEUTRAL, "retry", "hydra")


def title(report: SweepReport) -> str:
    """The names of the sweeps, and the day on which the first job started."""
    names = ", ".join(map(_sweep_name, sweep_folders(report)))
    starts = [start for job in report.jobs() if isinstance(start := job.status.get("started"), int | float)]
    day = f", {datetime.fromtimestamp(min(starts)).date().isoformat()}" if starts else ""
    return f"Sweep {names}{day}"


def description(report: SweepReport) -> list[str]:
    """Sentences about the jobs: the fixed overrides, the epoch of their metrics, and where their folders are."""
    shared = ", ".join(f"{name}={value}" for name, value in fixed(report).items())
    return [f"Fixed: {shared or 'nothing on the command line'}.", *_epoch(report), *_folders(report)]


def fixed(report: SweepReport) -> dict[str, str]:
    """The overrides that all jobs share."""
    jobs = [job for row in report.rows for job in row.jobs]
    varied = (*report.differing.parameters, *report.differing.seeds)
    return {
        name: value
        for name, value in (jobs[0].overrides.items() if jobs else ())
        if name not in varied and not name.startswith(NOT_FIXED)
        if all(job.overrides.get(name) == value for job in jobs)
    }


def sweep_folders(report: SweepReport) -> list[Path]:
    """The folders of the sweeps."""
    return list(dict.fromkeys(job.path.parent for job in report.jobs()))


def _sweep_name(folder: Path) -> str:
    whole = folder.absolute()
    return whole.parent.name if DATED.fullmatch(whole.name) else whole.name


def _epoch(report: SweepReport) -> Iterator[str]:
    monitored = {job.monitored[0] for job in report.jobs() if job.monitored is not None}
    if any(name.startswith("val/") for name in report.metrics) and len(monitored) == 1:
        yield f"val/ metrics are those of each job's best validation epoch, by {monitored.pop()}."


def _folders(report: SweepReport) -> Iterator[str]:
    folders = ", ".join(map(str, sweep_folders(report)))
    yield f"The folder of each job is in {folders}."
