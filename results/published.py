"""Numbers that others have published, to stand beside ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from results.record import Record, read_object


@dataclass(frozen=True)
class Published:
    """One column of others' numbers.

    Attributes:
        name: the column's head.
        metric: the metric of ours that it stands beside.
        dataset: what it was measured on.
        source: who measured it, on what and how.
        remark: what else a reader should know.
        values: the number of each experiment.
    """

    name: str = ""
    metric: str = ""
    dataset: str = ""
    source: str = ""
    remark: str = ""
    values: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Published:
        """Reads the file; nothing is published where there is none."""
        return cls(**read_object(path)) if path.is_file() else cls()

    def value(self, record: Record) -> float | None:
        """The number published for a record's experiment, unless the record's run changed it."""
        return None if record.overrides else self.values.get(record.experiment)

    def place(self, record: Record) -> int:
        """Where the record's experiment stands in the published order; behind all where it is not in it."""
        order = list(self.values)
        return order.index(record.experiment) if record.experiment in order else len(order)

    def remarks(self, records: list[Record]) -> str:
        """The sentences that belong below a table of one data set; empty where it has no such number."""
        if all(self.value(record) is None for record in records):
            return ""
        elsewhere = records[0].dataset != self.dataset
        warning = (
            f" Measured on {self.dataset}: not to be compared digit by digit with this table." if elsewhere else ""
        )
        return " ".join(f"*{self.name}*: {self.source}.{warning} {self.remark}".split())
