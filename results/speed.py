"""Tables of measurements by ``python -m benchmarks --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sections import SECTIONS, Row, Section
from results.provenance import commit_text
from results.record import read_object
from results.tables import counted, markdown
from seqvise.errors import UserError


def speed_section(path: Path) -> str:
    """The tables of a benchmark file, with machine, date, commit and command.

    Raises:
        UserError: the file is not of ``python -m benchmarks --json``.
    """
    measured = read_object(path)
    try:
        tables = [_table(section, measured[name]) for name, section in SECTIONS.items() if measured.get(name)]
        return "\n\n".join([f"### {path.stem}", _provenance(measured), *tables])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a file of `python -m benchmarks --json`: {error!r}.") from error


def _provenance(measured: Mapping[str, Any]) -> str:
    machine = measured["machine"]
    size = f"{counted(machine['cores'], 'core')}, {counted(machine['threads'], 'thread')}"
    versions = f"torch {machine['torch']}, Python {machine['python']}"
    commit = commit_text(measured["commit"], measured["dirty"])
    return (
        f"{machine['processor']}, {size}, {versions}, load {machine['load']} at the start. "
        f"{measured['date']}, {commit}: `{measured['command']}`"
    )


def _table(section: Section, rows: Sequence[Row]) -> str:
    cells = section.cells(rows)
    for column, key in enumerate(section.shown(rows)):
        if key in section.code:
            for row in cells:
                row[column] = f"`{row[column]}`"
    return f"{section.title(rows)}\n\n{markdown(section.heads(rows), cells, left=section.words)}"
