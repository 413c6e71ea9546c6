"""Where a result comes from, in words."""

from __future__ import annotations

from collections.abc import Mapping

from results.record import Record

SHOWN_VERSIONS = ("seqvise", "torch", "pytorch-lightning")


def commit_text(commit: str | None, dirty: bool | None) -> str:
    """The commit, and whether the tree had more than it."""
    if commit is None:
        return "commit unknown"
    return f"commit `{commit[:12]}`{' with changes that are in no commit' if dirty else ''}"


def versions_text(versions: Mapping[str, str | None]) -> list[str]:
    """The versions that matter most."""
    return [f"{package} {versions[package]}" for package in SHOWN_VERSIONS if versions.get(package)]


def run_text(name: str, record: Record) -> str:
    """A list item that says how a run was made, and the remark on it."""
    told = [f"seed {record.seed}", record.date, commit_text(record.commit, record.dirty)]
    told += versions_text(record.versions)
    lines = [f"- **{name}**: {', '.join(told)}", "", "  ```", f"  {record.command}", "  ```"]
    if record.note:
        lines += ["", f"  {' '.join(record.note.split())}"]
    return "\n".join(lines)
