"""A result as it is kept: one JSON a run, with all that its row, its command and its curves need."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from seqvise.errors import UserError
from seqvise.files import write_text
from seqvise.moved import EXPERIMENTS, current_override

Number = float | int | str | None
ARRAY = re.compile(r"\[\s+([^\[\]{}\"]*?)\s+\]")


class Kept:
    """A dataclass that is kept as a JSON file."""

    told: ClassVar[str]
    """What it is, for messages."""

    def save(self, path: Path) -> None:
        """Writes it; a list of numbers takes one line."""
        content = asdict(cast(Any, self))
        write_text(path, one_line_arrays(json.dumps(content, indent=2, ensure_ascii=False)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads it.

        Raises:
            UserError: the file is not one.
        """
        try:
            return cls(**read_object(path))
        except TypeError as error:
            raise UserError(f"{path} is not a {cls.told} of `python -m results add`: {error}.") from error


@dataclass(frozen=True)
class Record(Kept):
    """A finished run.

    Attributes:
        experiment: as in ``experiment=seed/rnn``; the model's name where no experiment was named.
        dataset: the data set's name, and the overrides that change what it holds.
        overrides: what else was changed on the command line, apart from the seed.
        command: what to type to have the run again.
        commit: the full hash; None where the run was outside a repository.
        dirty: whether the tree had changes that are in no commit; None where that is not known.
        date: the day it started, UTC.
        device: as in the run's ``metrics.json``.
        processor: the processor's name, where the run recorded it.
        metrics: ``metrics.json``, rounded.
        curves: ``epoch``, and for each curve a value an epoch.
        note: a person's remark.
    """

    told: ClassVar[str] = "result"

    experiment: str
    dataset: str
    overrides: list[str]
    command: str
    seed: int
    commit: str | None
    dirty: bool | None
    date: str
    device: str
    processor: str | None
    threads: int | None
    python: str | None
    versions: dict[str, str | None]
    metrics: dict[str, Number]
    curves: dict[str, list[float | None]]
    note: str | None = None

    def __post_init__(self) -> None:
        # A record is what was run: its file keeps the names of that day, and the page has today's.
        words = [current_override(word) for word in self.command.split(" ")]
        object.__setattr__(self, "command", " ".join(words))
        object.__setattr__(self, "experiment", EXPERIMENTS.get(self.experiment, self.experiment))

    @property
    def label(self) -> str:
        """The name of the run's row and line: the experiment and what was changed of it."""
        return " ".join([self.experiment, *self.overrides])

    def number(self, name: str) -> float | None:
        """A metric that is a number; None where the run has none of that name."""
        value = self.metrics.get(name)
        return value if isinstance(value, int | float) else None

    def last(self, name: str) -> float | None:
        """The value of a curve after the last epoch; None where the record has no such curve."""
        values = [value for value in self.curves.get(name, []) if value is not None]
        return values[-1] if values else None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file's object.

    Raises:
        UserError: the file is not there or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing.") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold one JSON object, but holds a {type(content).__name__}.")
    return content


def rounded(value: float) -> float | None:
    """Five significant digits; None for what JSON cannot write."""
    return float(f"{value:.5g}") if abs(value) < float("inf") else None


def rounded_metrics(metrics: Mapping[str, Number]) -> dict[str, Number]:
    """The metrics with their fractions rounded."""
    return {name: rounded(value) if isinstance(value, float) else value for name, value in metrics.items()}


def one_line_arrays(text: str) -> str:
    """JSON text whose lists of numbers are each put on one line."""
    return ARRAY.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
