"""Compares runs: differences of config, environment and results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqvise.errors import UserError
from seqvise.reports.differences import text
from seqvise.reports.environments import changes_digest
from seqvise.reports.grid import TextTable, number_text
from seqvise.reports.job import ABSENT, Job, is_run, read_job


def read_runs(folders: Sequence[Path]) -> list[Job]:
    """Reads the runs to compare.

    Raises:
        UserError: fewer than two folders, or a folder that is not a run directory or cannot be read.
    """
    if len(folders) < 2:
        raise UserError(f"compare={folders[0]} needs another run: set compare= at least twice.")
    if messages := [f"compare={folder} is not a run directory." for folder in folders if not is_run(folder)]:
        raise UserError(*messages)
    jobs = [read_job(folder) for folder in folders]
    if messages := [error for job in jobs for error in job.errors]:
        raise UserError(*messages)
    return jobs


def compare_runs(jobs: Sequence[Job]) -> dict[str, TextTable]:
    """Tables of the differences, by title: one column per run; a dash means that the run lacks the key."""
    heads = [str(job.path) for job in jobs]
    settings = [{name: text(value) for name, value in job.settings.items()} for job in jobs]
    environments = [_environment(job.environment) for job in jobs]
    metrics = [{name: _result(value) for name, value in job.metrics.items()} for job in jobs]
    return {
        "config": _differing(heads, settings),
        "environment": _differing(heads, environments),
        "results": _differing(heads, metrics, numeric=True),
    }


def _environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """Package versions, the git revision, and a hash of uncommitted changes.

    The command is left out: the config has what it sets, and the rest is how Hydra starts a job.
    """
    git = environment.get("git") or {}
    changes = _changes(git) if isinstance(git, Mapping) else "none"
    flat = {
        name: value
        for name, value in environment.items()
        if name not in ("git", "command") and not isinstance(value, Mapping)
    }
    versions = environment.get("versions")
    packages = {f"versions.{name}": value for name, value in versions.items()} if isinstance(versions, Mapping) else {}
    known = {"git.revision": git.get("revision"), "git.changes": changes} if isinstance(git, Mapping) else {}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (flat | packages | known).items()
    }


def _changes(git: Mapping[str, Any]) -> str:
    """Size and hash of the uncommitted changes. Earlier runs store the diff, current runs the file names."""
    if not (checksum := changes_digest(git)):
        return "none"
    if diff := git.get("diff"):
        return f"{str(diff).count(chr(10)) + 1} lines ({checksum})"
    return f"{len(git.get('files') or [])} files ({checksum})"


def _result(value: Any) -> str:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return number_text(float(value)) if is_plain else str(value)


def _differing(heads: list[str], columns: Sequence[Mapping[str, str]], numeric: bool = False) -> TextTable:
    names = dict.fromkeys(name for column in columns for name in column)
    lines = [[name, *(column.get(name, ABSENT) for column in columns)] for name in names]
    differing = [line for line in lines if len(set(line[1:])) > 1]
    return TextTable(["", *heads], differing, [False, *[numeric] * len(heads)])
