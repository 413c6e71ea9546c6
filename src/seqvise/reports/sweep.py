"""Reads the jobs of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqvise.errors import UserError
from seqvise.reports.job import Job, is_run, read_job

SWEEP = "multirun.yaml"
SHOWN = 3
"""Maximum number of jobs listed when none can be reported."""
DEPTH = 6
"""Levels of folders searched for sweeps to suggest."""


def read_sweeps(folders: Sequence[Path]) -> list[Job]:
    """The jobs of one or several sweep folders, ordered by number within each sweep.

    Raises:
        UserError: folders that do not exist, are not sweeps, or are empty (all at once); or no job has a readable
            config.
    """
    jobs_of = {folder: _jobs(folder) for folder in dict.fromkeys(folders)}
    if messages := [_error(folder) for folder, jobs in jobs_of.items() if not jobs]:
        raise UserError(*messages)
    jobs = [read_job(job) for folder_jobs in jobs_of.values() for job in folder_jobs]
    if not any(job.settings for job in jobs):
        raise UserError(*(_unreadable(folder, jobs) for folder in jobs_of))
    return jobs


def _jobs(folder: Path) -> list[Path]:
    if not folder.is_dir() or is_run(folder):
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and is_run(path)), key=_sort_key)


def _sort_key(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() else (1 << 62, path.name)


def _unreadable(folder: Path, jobs: Sequence[Job]) -> str:
    """Why a folder cannot be reported: its first jobs and their errors."""
    states = [f"{job.path.name}: {job.reason() or job.state()}" for job in jobs if job.path.parent == folder]
    more = f"; and {len(states) - SHOWN:,} more" if len(states) > SHOWN else ""
    return f"sweep={folder} has no job with a readable config ({'; '.join(states[:SHOWN])}{more})."


def _error(folder: Path) -> str:
    if not folder.exists():
        return f"sweep={folder} does not exist."
    if not folder.is_dir():
        return f"sweep={folder} is a file, but must be the folder of a sweep."
    if is_run(folder):
        parent = folder.absolute().parent
        hint = f", as {parent}" if (parent / SWEEP).is_file() else ""
        return f"sweep={folder} is a single run, but must be the folder of a sweep{hint}."
    if (folder / SWEEP).is_file():
        return f"sweep={folder} is an empty sweep: it has no job yet."
    nested = sorted(path.parent for depth in range(1, DEPTH) for path in folder.glob("*/" * depth + SWEEP))
    hint = f"; sweeps in it are {', '.join(map(str, nested[-5:]))}" if nested else ""
    return f"sweep={folder} is not a sweep: no folder in it is a run directory{hint}."
