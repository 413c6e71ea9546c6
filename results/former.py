"""Former defaults: the page shows those that earlier records used; the records are not changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from results.record import Record
from seqvise.errors import UserError


@dataclass(frozen=True)
class Former:
    """Values that were defaults of some experiments until a certain day.

    Attributes:
        experiments: names of the experiments.
        before: the first day with other defaults, as ``2026-11-29``.
        values: the former defaults, as overrides.
        remark: a sentence for the page, below tables with such records.
    """

    experiments: Sequence[str]
    before: str
    values: Sequence[str]
    remark: str

    def covers(self, record: Record) -> bool:
        """Whether a record used these defaults."""
        return record.experiment in self.experiments and record.date < self.before

    def stated(self, record: Record) -> Record:
        """The record with the former defaults as overrides, except for keys that its command already sets."""
        named = {key_of(item) for item in shlex.split(record.command)}
        added = [override for override in self.values if key_of(override) not in named]
        command = " ".join([record.command, *map(shlex.quote, added)])
        return replace(record, overrides=[*record.overrides, *added], command=command)


def load_former(path: Path) -> list[Former]:
    """Reads the file, a list of objects; empty if there is no file.

    Raises:
        UserError: the file is not such a list.
    """
    if not path.is_file():
        return []
    try:
        return [Former(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is not a list of former defaults: {error}.") from error


def stated(record: Record, former: Sequence[Former]) -> Record:
    """The record with all defaults that it used and that have changed since."""
    for entry in former:
        record = entry.stated(record) if entry.covers(record) else record
    return record


def remarks(records: Sequence[Record], former: Sequence[Former]) -> list[str]:
    """The remarks on records of one table."""
    return [entry.remark for entry in former if any(map(entry.covers, records))]


def key_of(override: str) -> str:
    """The key of an override."""
    return override.partition("=")[0]
