"""What a person chooses about a model. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

CELLS = ("gru", "lstm")
ACTIVATIONS = ("tanh", "relu")
DRAWS = ("step", "sentence", "token")
UNITS = ("step", "epoch")


@dataclass
class ScaledDropoutOptions:
    """Dropout probabilities of a model, each multiplied by ``scale``. A kind of model adds its own."""

    scale: float = 1.0

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.scale < 0:
            yield f"{key}.scale is {self.scale}, but a factor for dropout cannot be negative."
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "scale" and not isinstance(value, bool) and not 0 <= value * max(self.scale, 0) < 1:
                scaled = f"{key}.{item.name} times {key}.scale is {value * self.scale:g}"
                yield f"{scaled}, but a dropout must be at least 0 and below 1."


@dataclass
class ForcingOptions:
    """Teacher forcing ratio: the chance that a training step reads the reference's last word, not the model's own."""

    start: float = 1.0
    end: float = 1.0
    over: float | None = None  # units until `end` is reached; null: all of training
    unit: str = "epoch"  # `epoch` moves it between epochs, `step` at every step; `over` counts in it
    draw: str = "token"  # one draw a time `step` for the whole batch, a `sentence`, or a `token`

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name in ("start", "end"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{key}.{name} is {getattr(self, name)}, but a ratio lies between 0 and 1."
        if self.over is not None and self.over <= 0:
            yield f"{key}.over is {self.over}, but it must be above 0, or null for all of training."
        if self.unit not in UNITS:
            yield f"{key}.unit is '{self.unit}', but must be one of {', '.join(UNITS)}."
        if self.draw not in DRAWS:
            yield f"{key}.draw is '{self.draw}', but must be one of {', '.join(DRAWS)}."


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
