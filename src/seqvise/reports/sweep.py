"""The jobs of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqvise.errors import UserError
from seqvise.reports.job import Job, is_run, read_job

SWEEP = "multirun.yaml"
SHOWN = 3
"""Jobs that are named when none can be reported."""
DEPTH = 6
"""Levels of folders that are looked through for sweeps to name."""


def read_sweeps(folders: Sequence[Path]) -> list[Job]:
    """The jobs of one or several sweep folders, each sweep's in the order of their numbers.

    Raises:
        UserError: for folders that are not there, no sweep, or empty, all of them at once; or no job of any has a
            config that can be read.
    """
    found = {folder: _jobs(folder) for folder in dict.fromkeys(folders)}
    if problems := [_problem(folder) for folder, jobs in found.items() if not jobs]:
        raise UserError(*problems)
    jobs = [read_job(job) for folder_jobs in found.values() for job in folder_jobs]
    if not any(job.settings for job in jobs):
        raise UserError(*(_unreadable(folder, jobs) for folder in found))
    return jobs


def _jobs(folder: Path) -> list[Path]:
    if not folder.is_dir() or is_run(folder):
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and is_run(path)), key=_order)


def _order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() else (1 << 62, path.name)


def _unreadable(folder: Path, jobs: Sequence[Job]) -> str:
    """Why a folder has nothing to report: its first jobs, and what is wrong with them."""
    states = [f"{job.path.name}: {job.reason() or job.state()}" for job in jobs if job.path.parent == folder]
    more = f"; and {len(states) - SHOWN:,} more" if len(states) > SHOWN else ""
    return f"sweep={folder} has no job with a config that can be read ({'; '.join(states[:SHOWN])}{more})."


def _problem(folder: Path) -> str:
    if not folder.exists():
        return f"sweep={folder}: there is no such folder."
    if not folder.is_dir():
        return f"sweep={folder} is a file, but must be the folder of a sweep."
    if is_run(folder):
        parent = folder.absolute().parent
        hint = f", as {parent}" if (parent / SWEEP).is_file() else ""
        return f"sweep={folder} is a single run, but must be the folder of a sweep{hint}."
    if (folder / SWEEP).is_file():
        return f"sweep={folder} is an empty sweep: it has no job yet."
    within = sorted(path.parent for depth in range(1, DEPTH) for path in folder.glob("*/" * depth + SWEEP))
    hint = f"; sweeps in it are {', '.join(map(str, within[-5:]))}" if within else ""
    return f"sweep={folder} is not a sweep: no folder in it is a run directory{hint}."
