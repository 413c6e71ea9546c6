"""Options of schedules: the learning rate, the momentum and other scheduled numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqvise.options import Options, Problem, at_least, one_of

RATE_SCHEDULES = ("one_cycle", "one_cycle_annihilate", "constant", "cosine", "noam", "plateau")
PATIENCE_RULES = ("exact", "torch")
UNITS = ("step", "epoch")


@dataclass
class RampOptions(Options):
    """A number that changes linearly during training."""

    start: float = 0.0
    end: float = 1.0
    over: float | None = None  # units until `end` is reached; null: all of training
    unit: str = "step"  # unit of `over`; with `epoch` the number changes between epochs only

    def validate(self) -> Iterator[Problem]:
        if self.over is not None and self.over <= 0:
            yield "over", f"is {self.over}, but must be above 0, or null for all of training."
        yield from one_of(self, unit=UNITS)


def _ramp_errors(name: str, node: Any) -> Iterator[Problem]:
    """Checks a node of ``others``, which is plain, before it is made an instance of ``RampOptions``."""
    if not isinstance(node, Mapping):
        yield name, f"is {node}, but must be a node such as {{start: 0, end: 1, over: 5, unit: epoch}}."
        return
    known = ("start", "end", "over", "unit")
    errors = [(key, f"is no key of a schedule: use {', '.join(known)}.") for key in node if key not in known]
    for key in ("start", "end", "over"):
        value = node.get(key, 0.0)
        if isinstance(value, bool | str) or (value is None and key != "over"):
            errors.append((key, f"is {value}, but must be a number."))
    for key, sentence in errors or RampOptions(**node).validate():
        yield f"{name}.{key}", sentence


@dataclass
class ScheduleOptions(Options):
    """How the rate and the momentum change during training. Teacher forcing has a node of its own in `model`."""

    name: str = "one_cycle"
    div: float = 20.0  # one_cycle*: the rate starts and ends at lr / div
    cut: float = 10.0  # one_cycle: the rate rises during the first 1 / cut of all steps
    final: float = 100.0  # one_cycle_annihilate: during the last tenth the rate falls to lr / (div * final)
    momentum_high: float = 0.95  # one_cycle_annihilate: momentum (Adam: beta1) where the rate is lowest
    momentum_low: float = 0.85  # one_cycle_annihilate: momentum where the rate is highest
    warmup: int = 4000  # noam, cosine: optimizer steps of linear warm-up
    factor: float = 0.5  # plateau: the rate is multiplied by this
    patience: int = 2  # plateau: at each of so many validations in a row without a better `monitor.metric`
    patience_rule: str = "exact"  # `torch`: one validation later, and only 0.01 % or more counts as better
    unit: str = "step"  # `epoch`: the rate changes between epochs only
    cycle_epochs: float | None = None  # length of a cycle; null: all of training
    extend: bool = False  # a resumed run may have another length of training than it started with
    # Other numbers that the task can schedule: name -> the fields of RampOptions. Plain nodes, because Hydra cannot add
    # typed ones from the command line.
    others: dict[str, Any] = field(default_factory=dict)

    def ramps(self) -> dict[str, RampOptions]:
        """The nodes of ``others`` as options."""
        return {name: RampOptions(**node) for name, node in self.others.items()}

    def validate(self) -> Iterator[Problem]:
        if self.name not in RATE_SCHEDULES and "." not in self.name:
            yield (
                "name",
                f"is '{self.name}', but must be one of {', '.join(RATE_SCHEDULES)}, or the dotted path of a class of "
                "your own.",
            )
        yield from one_of(self, unit=UNITS, patience_rule=PATIENCE_RULES)
        yield from at_least(self, 1, "div", "cut", "final")
        for name in ("momentum_high", "momentum_low"):
            if not 0 <= getattr(self, name) < 1:
                yield name, f"is {getattr(self, name)}, but a momentum must be at least 0 and below 1."
        yield from at_least(self, 1 if self.name == "noam" else 0, "warmup")
        yield from at_least(self, 0 if self.patience_rule == "torch" else 1, "patience")
        if not 0 < self.factor < 1:
            yield "factor", f"is {self.factor}, but must be above 0 and below 1."
        for name, node in self.others.items():
            yield from _ramp_errors(f"others.{name}", node)
        if self.cycle_epochs is not None and self.cycle_epochs <= 0:
            yield "cycle_epochs", f"is {self.cycle_epochs}, but must be above 0, or null for all of training."
