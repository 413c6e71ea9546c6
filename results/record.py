"""The stored form of a result: one JSON file per run, with the data of its table row, command and curves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from seqvise.errors import UserError
from seqvise.files import write_text
from seqvise.moved import EXPERIMENTS, current_metrics, current_override

Number = float | int | str | None
ARRAY = re.compile(r"\[\s+([^\[\]{}\"]*?)\s+\]")


class Stored:
    """A dataclass stored as a JSON file."""

    kind: ClassVar[str]
    """Its name in messages."""

    def save(self, path: Path) -> None:
        """Writes the file, with each list of numbers on one line."""
        content = asdict(cast(Any, self))
        write_text(path, one_line_arrays(json.dumps(content, indent=2, ensure_ascii=False)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file.

        Raises:
            UserError: the file is not of this kind.
        """
        try:
            return cls(**read_object(path))
        except TypeError as error:
            raise UserError(f"{path} is not a {cls.kind} of `python -m results add`: {error}.") from error


@dataclass(frozen=True)
class Record(Stored):
    """A finished run.

    Attributes:
        experiment: as in ``experiment=seed/rnn``; the name of the model if no experiment was set.
        dataset: name of the data set, and overrides that change its content.
        overrides: further overrides, except the seed.
        command: the command that reproduces the run.
        commit: full hash; None if the run was outside a repository.
        dirty: whether there were uncommitted changes; None if unknown.
        date: start date, UTC.
        device: as in the run's ``metrics.json``.
        processor: name of the CPU, if recorded.
        metrics: ``metrics.json``, rounded.
        curves: ``epoch``, and one value per epoch for each curve.
        note: the user's remark.
    """

    kind: ClassVar[str] = "result"

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
        object.__setattr__(self, "overrides", [current_override(item) for item in self.overrides])
        words = [current_override(word) for word in self.command.split(" ")]
        object.__setattr__(self, "command", " ".join(words))
        object.__setattr__(self, "experiment", EXPERIMENTS.get(self.experiment, self.experiment))
        object.__setattr__(self, "metrics", current_metrics(self.metrics))
        object.__setattr__(self, "curves", current_metrics(self.curves))

    @property
    def label(self) -> str:
        """Label of the run in tables and figures: the experiment and its overrides."""
        return " ".join([self.experiment, *self.overrides])

    def number(self, name: str) -> float | None:
        """A numeric metric; None if the run lacks it."""
        value = self.metrics.get(name)
        return value if isinstance(value, int | float) else None

    def last(self, name: str) -> float | None:
        """Last value of a curve; None if the record lacks it."""
        values = [value for value in self.curves.get(name, []) if value is not None]
        return values[-1] if values else None


def read_object(path: Path) -> dict[str, Any]:
    """Reads the object of a JSON file.

    Raises:
        UserError: the file is missing or does not contain an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing.") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must contain one JSON object, but contains a {type(content).__name__}.")
    return content


def round_digits(value: float) -> float | None:
    """Rounds to five significant digits; None for values that JSON cannot represent."""
    return float(f"{value:.5g}") if abs(value) < float("inf") else None


def rounded_metrics(metrics: Mapping[str, Number]) -> dict[str, Number]:
    """The metrics with rounded fractions."""
    return {name: round_digits(value) if isinstance(value, float) else value for name, value in metrics.items()}


def one_line_arrays(text: str) -> str:
    """JSON text with each list of numbers on one line."""
    return ARRAY.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
