"""Options of schedules: the learning rate, the momentum and other scheduled numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

RATE_SCHEDULES = ("one_cycle", "one_cycle_annihilate", "constant", "cosine", "noam", "plateau")
PATIENCE_RULES = ("exact", "torch")


@dataclass
class RampOptions:
    """A number that moves in a straight line during training."""

    start: float = 0.0
    end: float = 1.0
    over: float | None = None  # units until `end` is reached; null: all of training
    unit: str = "step"  # `over` counts in it; `epoch` moves the number between epochs only

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.over is not None and self.over <= 0:
            yield f"{key}.over is {self.over}, but it must be above 0, or null for all of training."
        if self.unit not in ("step", "epoch"):
            yield f"{key}.unit is '{self.unit}', but must be step or epoch."


def _ramp_problems(node: Any, key: str) -> Iterator[str]:
    known = ("start", "end", "over", "unit")
    if not isinstance(node, Mapping):
        yield f"{key} is {node}, but must be a node such as {{start: 0, end: 1, over: 5, unit: epoch}}."
        return
    wrong = [f"{key}.{name}: there is no such key, only {', '.join(known)}." for name in node if name not in known]
    for name in ("start", "end", "over"):
        value = node.get(name, 0.0)
        if isinstance(value, bool | str) or (value is None and name != "over"):
            wrong.append(f"{key}.{name} is {value}, but must be a number.")
    yield from wrong or RampOptions(**node).problems(key)


@dataclass
class ScheduleOptions:
    """How the rate and the momentum move over training. Teacher forcing has its own node, `model.teacher_forcing`."""

    name: str = "one_cycle"
    div: float = 20.0  # one_cycle*: the rate starts and ends at lr / div
    cut: float = 10.0  # one_cycle: the rate climbs over the first 1 / cut of all steps
    final: float = 100.0  # one_cycle_annihilate: the last tenth falls to lr / (div * final)
    momentum_high: float = 0.95  # one_cycle_annihilate: momentum (Adam: beta1) where the rate is lowest
    momentum_low: float = 0.85  # ... and where it is highest
    warmup: int = 4000  # noam, cosine: optimizer steps of linear warm-up
    factor: float = 0.5  # plateau: the rate is multiplied by this ...
    patience: int = 2  # ... at each of so many validations in a row without a better `monitor.metric`
    patience_rule: str = "exact"  # `torch`: one validation later, and a metric is better by 0.01 % at least
    unit: str = "step"  # `epoch`: the rate moves between epochs only
    cycle_epochs: float | None = None  # length of the cycle; null: all of training
    extend: bool = False  # a resumed run may have another horizon than the one it started with
    # Any other number that the task lets be scheduled: name -> the fields of RampOptions. Plain nodes, as Hydra cannot
    # add typed ones from the command line.
    others: dict[str, Any] = field(default_factory=dict)

    def ramps(self) -> dict[str, RampOptions]:
        """What ``others`` holds, typed."""
        return {name: RampOptions(**node) for name, node in self.others.items()}

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.name not in RATE_SCHEDULES and "." not in self.name:
            yield (
                f"{key}.name is '{self.name}', but must be one of {', '.join(RATE_SCHEDULES)}, or the dotted path of a "
                "class of your own."
            )
        if self.unit not in ("step", "epoch"):
            yield f"{key}.unit is '{self.unit}', but must be step or epoch."
        for name in ("div", "cut", "final"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        for name in ("momentum_high", "momentum_low"):
            if not 0 <= getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but a momentum lies between 0 and 1."
        if self.patience_rule not in PATIENCE_RULES:
            yield f"{key}.patience_rule is '{self.patience_rule}', but must be one of {', '.join(PATIENCE_RULES)}."
        least = 0 if self.patience_rule == "torch" else 1
        if self.warmup < (self.name == "noam") or self.patience < least or not 0 < self.factor < 1:
            yield f"{key}: warmup must be at least 0 (noam: 1), patience at least {least}, factor between 0 and 1."
        for name, node in self.others.items():
            yield from _ramp_problems(node, f"{key}.others.{name}")
        if self.cycle_epochs is not None and self.cycle_epochs <= 0:
            yield f"{key}.cycle_epochs is {self.cycle_epochs}, but must be above 0, or null for all of training."
