"""Numbers published by others, for comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from results.record import Record, read_object
from seqvise.moved import current_metric


@dataclass(frozen=True)
class Published:
    """One column of published numbers.

    Attributes:
        name: heading of the column.
        metric: our metric that it corresponds to.
        dataset: data set on which it was measured.
        source: who measured it, on which data and how.
        remark: further information for the reader.
        values: experiment -> published number.
    """

    name: str = ""
    metric: str = ""
    dataset: str = ""
    source: str = ""
    remark: str = ""
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # As with records, the file keeps the names of its day.
        object.__setattr__(self, "metric", current_metric(self.metric))

    @classmethod
    def load(cls, path: Path) -> Published:
        """Reads the file; empty if there is none."""
        return cls(**read_object(path)) if path.is_file() else cls()

    def value(self, record: Record) -> float | None:
        """Published number of a record's experiment; None if the run has further overrides."""
        return None if record.overrides else self.values.get(record.experiment)

    def rank(self, record: Record) -> int:
        """Index of the record's experiment in the published order; last if it is not published."""
        order = list(self.values)
        return order.index(record.experiment) if record.experiment in order else len(order)

    def remarks(self, records: list[Record]) -> str:
        """Sentences below the table of a data set; empty if it has no published number."""
        if all(self.value(record) is None for record in records):
            return ""
        elsewhere = records[0].dataset != self.dataset
        warning = f" Measured on {self.dataset}: not directly comparable with this table." if elsewhere else ""
        return " ".join(f"*{self.name}*: {self.source}.{warning} {self.remark}".split())
