"""Options that several models share. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

from seqvise.options import NODE, Options, Problem, one_of
from seqvise.schedules.options import RampOptions

CELLS = ("gru", "lstm")
ACTIVATIONS = ("tanh", "relu")
DRAWS = ("step", "sentence", "token")


@dataclass
class ScaledDropoutOptions(Options):
    """Dropout probabilities of a model, each multiplied by ``scale``. Each kind of model adds its own."""

    scale: float = 1.0

    def validate(self) -> Iterator[Problem]:
        if self.scale < 0:
            yield "scale", f"is {self.scale}, but a factor for dropout cannot be negative."
        for name, value in self._rates().items():
            if not 0 <= value * max(self.scale, 0) < 1:
                product = f"times {NODE}.scale is {value * self.scale:g}"
                yield name, f"{product}, but a dropout must be at least 0 and below 1."

    def scaled(self, training: bool) -> Self:
        """The probabilities multiplied by ``scale``, which becomes 1; outside training all are 0."""
        factor = self.scale if training else 0.0
        return replace(self, scale=1.0, **{name: value * factor for name, value in self._rates().items()})

    def _rates(self) -> dict[str, float]:
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "scale"}
        return {name: value for name, value in values.items() if not isinstance(value, bool)}


@dataclass
class ForcingOptions(RampOptions):
    """Teacher forcing ratio: the probability that a training step reads the reference token, not the prediction."""

    start: float = 1.0
    unit: str = "epoch"  # unit of `over`; `epoch` changes the ratio between epochs, `step` at every step
    draw: str = "token"  # drawn once per `step` for the whole batch, per `sentence`, or per `token`

    def validate(self) -> Iterator[Problem]:
        for name in ("start", "end"):
            if not 0 <= getattr(self, name) <= 1:
                yield name, f"is {getattr(self, name)}, but a ratio must be from 0 to 1."
        yield from super().validate()
        yield from one_of(self, draw=DRAWS)


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
