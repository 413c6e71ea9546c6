"""Which jobs ran on something else than the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from seqvise.files import digest
from seqvise.reports.job import Job

FACTS = ("device", "precision", "world_size")


def facts(job: Job) -> dict[str, str]:
    """What makes two results hard to compare: device, precision, processes, torch, code, and how text was scored."""
    there = job.environment or job.metrics
    found = {name.replace("world_size", "processes"): str(there[name]) for name in FACTS if name in there}
    others = {"torch": _of(there, "versions").get("torch"), "code": code_revision(there)}
    signatures = {name: str(text) for name, text in job.metrics.items() if name.startswith("signature/")}
    return {**found, **{name: str(value) for name, value in others.items() if value}, **signatures}


def code_revision(environment: Mapping[str, Any]) -> str:
    """The first digits of the git revision, with those of the changes since where there are any."""
    git = _of(environment, "git")
    if not git.get("revision"):
        return ""
    revision, changes = str(git["revision"])[:8], changes_digest(git)
    return f"{revision} with changes {changes}" if changes else revision


def changes_digest(git: Mapping[str, Any]) -> str:
    """The first digits of the hash of uncommitted changes; empty where there are none.

    Args:
        git: the node of ``env.json``, which held all of the changes in earlier revisions.
    """
    if diff := git.get("diff"):
        return digest(str(diff), 6)
    return str(git.get("changes") or "")[:6]


def marks(jobs: Sequence[Job]) -> tuple[dict[str, str], list[list[str]]]:
    """What differs from most jobs.

    Returns:
        a sentence for each mark, and the marks of each job.
    """
    found = [facts(job) for job in jobs]
    usual = {name: _commonest(name, found) for name in dict.fromkeys(name for each in found for name in each)}
    others = [[(name, value) for name, value in each.items() if value != usual[name]] for each in found]
    distinct = list(dict.fromkeys(other for each in others for other in each))
    letters = {other: mark_of(number) for number, other in enumerate(distinct)}
    sentences = {letters[name, value]: f"{name} {value}; most have {usual[name]}" for name, value in distinct}
    return sentences, [[letters[other] for other in each] for each in others]


def mark_of(number: int) -> str:
    """a to z, then aa, ab and so on."""
    before, last = divmod(number, len(ascii_lowercase))
    return (mark_of(before - 1) if before else "") + ascii_lowercase[last]


def _commonest(name: str, found: Sequence[Mapping[str, str]]) -> str:
    return Counter(each[name] for each in found if name in each).most_common(1)[0][0]


def _of(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = node.get(name)
    return value if isinstance(value, Mapping) else {}
