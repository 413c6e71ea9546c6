"""Describes the origin of a result: seed, date, commit, versions, command."""

from __future__ import annotations

from collections.abc import Mapping

from results.record import Record

SHOWN_VERSIONS = ("seqvise", "torch", "pytorch-lightning")


def commit_text(commit: str | None, dirty: bool | None) -> str:
    """The commit, and whether there were uncommitted changes."""
    if commit is None:
        return "commit unknown"
    return f"commit `{commit[:12]}`{' with uncommitted changes' if dirty else ''}"


def versions_text(versions: Mapping[str, str | None]) -> list[str]:
    """Versions of the main packages."""
    return [f"{package} {versions[package]}" for package in SHOWN_VERSIONS if versions.get(package)]


def run_text(name: str, record: Record) -> str:
    """A list item with the origin, the command and the remark of a run."""
    facts = [f"seed {record.seed}", record.date, commit_text(record.commit, record.dirty)]
    facts += versions_text(record.versions)
    lines = [f"- **{name}**: {', '.join(facts)}", "", "  ```", f"  {record.command}", "  ```"]
    if record.note:
        lines += ["", f"  {' '.join(record.note.split())}"]
    return "\n".join(lines)
