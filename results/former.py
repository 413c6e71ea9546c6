"""Former defaults: the page states those that earlier records ran with, and the records stay as they are."""

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
    """Values that were defaults of some experiments until a day.

    Attributes:
        experiments: their names.
        before: the day from which on runs have other defaults, as ``2026-11-29``.
        values: the former defaults, as overrides.
        remark: a sentence for the page, below the tables that have such records.
    """

    experiments: Sequence[str]
    before: str
    values: Sequence[str]
    remark: str

    def covers(self, record: Record) -> bool:
        """Whether a record ran with these defaults."""
        return record.experiment in self.experiments and record.date < self.before

    def stated(self, record: Record) -> Record:
        """The record with the former defaults, as if its command had named them; those that it names stay."""
        named = {key_of(word) for word in shlex.split(record.command)}
        words = [word for word in self.values if key_of(word) not in named]
        command = " ".join([record.command, *map(shlex.quote, words)])
        return replace(record, overrides=[*record.overrides, *words], command=command)


def load_former(path: Path) -> list[Former]:
    """Reads the file, a list of objects; there are none where it is absent.

    Raises:
        UserError: it is not such a list.
    """
    if not path.is_file():
        return []
    try:
        return [Former(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is not a list of former defaults: {error}.") from error


def stated(record: Record, former: Sequence[Former]) -> Record:
    """The record with all defaults that it ran with and that have changed since."""
    for entry in former:
        record = entry.stated(record) if entry.covers(record) else record
    return record


def remarks(records: Sequence[Record], former: Sequence[Former]) -> list[str]:
    """The remarks on records of one table."""
    return [entry.remark for entry in former if any(map(entry.covers, records))]


def key_of(word: str) -> str:
    """The key of an override."""
    return word.partition("=")[0]
