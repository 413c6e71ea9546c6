"""Marks the jobs that ran in a different environment than most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from seqvise.files import digest
from seqvise.reports.job import Job

FACTS = ("device", "precision", "world_size")


def facts(job: Job) -> dict[str, str]:
    """Facts that affect comparability: device, precision, processes, torch, code, and metric signatures."""
    source = job.environment or job.metrics
    run_facts = {name.replace("world_size", "processes"): str(source[name]) for name in FACTS if name in source}
    others = {"torch": _mapping(source, "versions").get("torch"), "code": code_revision(source)}
    signatures = {name: str(text) for name, text in job.metrics.items() if name.startswith("signature/")}
    return {**run_facts, **{name: str(value) for name, value in others.items() if value}, **signatures}


def code_revision(environment: Mapping[str, Any]) -> str:
    """First digits of the git revision, with those of the hash of uncommitted changes if there are any."""
    git = _mapping(environment, "git")
    if not git.get("revision"):
        return ""
    revision, changes = str(git["revision"])[:8], changes_digest(git)
    return f"{revision} with changes {changes}" if changes else revision


def changes_digest(git: Mapping[str, Any]) -> str:
    """First digits of the hash of uncommitted changes; empty if there are none.

    Args:
        git: the node of ``env.json``; earlier revisions stored the whole diff in it.
    """
    if diff := git.get("diff"):
        return digest(str(diff), 6)
    return str(git.get("changes") or "")[:6]


def marks(jobs: Sequence[Job]) -> tuple[dict[str, str], list[list[str]]]:
    """Marks for facts that differ from most jobs.

    Returns:
        mark -> sentence, and the marks of each job.
    """
    job_facts = [facts(job) for job in jobs]
    names = dict.fromkeys(name for of_job in job_facts for name in of_job)
    usual = {name: _most_common(name, job_facts) for name in names}
    unusual = [[(name, value) for name, value in of_job.items() if value != usual[name]] for of_job in job_facts]
    distinct = list(dict.fromkeys(fact for of_job in unusual for fact in of_job))
    letters = {fact: mark_of(number) for number, fact in enumerate(distinct)}
    sentences = {letters[name, value]: f"{name} {value}; most have {usual[name]}" for name, value in distinct}
    return sentences, [[letters[fact] for fact in of_job] for of_job in unusual]


def mark_of(number: int) -> str:
    """The mark with an index: a to z, then aa, ab and so on."""
    before, last = divmod(number, len(ascii_lowercase))
    return (mark_of(before - 1) if before else "") + ascii_lowercase[last]


def _most_common(name: str, job_facts: Sequence[Mapping[str, str]]) -> str:
    return Counter(of_job[name] for of_job in job_facts if name in of_job).most_common(1)[0][0]


def _mapping(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = node.get(name)
    return value if isinstance(value, Mapping) else {}
