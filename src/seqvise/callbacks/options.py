"""Options of callbacks and of the learning rate range test. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqvise.options import NODE, Options, Problem, at_least, one_of

AVERAGES = ("none", "ema", "swa", "nt_asgd")


@dataclass
class CallbackOptions(Options):
    """Which callbacks run; your own are in `callbacks.extra`, each a node with `_target_`."""

    patience: int | None = None  # early stopping: validations without a better `monitor.metric`; null never stops
    progress: bool = True
    samples: int = 8  # validation translations shown in TensorBoard and in samples.txt
    attention_maps: int = 4
    keep_best: int = 1  # checkpoints kept by `monitor`; best.ckpt is the first of them, 0 keeps last.ckpt only
    keep_last: int = 1  # checkpoints kept of the last validations; last.ckpt is always one
    save_steps: int | None = None  # last.ckpt is also written every so many steps; null: after validations only
    average: str = "none"  # of the weights; validation uses the averaged weights, and checkpoints contain them
    average_decay: float = 0.999  # ema: weight of the former average at each step
    average_start: float | None = None  # fraction of training after which averaging begins; null: ema 0, swa 0.75
    average_patience: int = 5  # nt_asgd: begins at a validation worse than the best of all but the last so many
    extra: dict[str, Any] = field(default_factory=dict)

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "patience", null="never to stop early")
        yield from at_least(self, 0, "samples", "attention_maps", "keep_best")
        yield from at_least(self, 1, "save_steps", null="for validations only")
        if self.keep_last < 1:
            yield "keep_last", f"is {self.keep_last}, but must be at least 1: last.ckpt is always kept."
        yield from self._validate_average()
        for name, node in self.extra.items():
            if not isinstance(node, Mapping) or "." not in str(node.get("_target_", "")):
                path = f"{NODE}.extra.{name}._target_"
                yield f"extra.{name}", f"has no _target_: set {path} to the dotted path of the callback's class."

    def _validate_average(self) -> Iterator[Problem]:
        yield from one_of(self, average=AVERAGES)
        if not 0 < self.average_decay < 1:
            yield "average_decay", f"is {self.average_decay}, but must be above 0 and below 1."
        yield from at_least(self, 1, "average_patience")
        if self.average_start is not None and not 0 <= self.average_start < 1:
            yield (
                "average_start",
                f"is {self.average_start}, but must be a fraction of training, at least 0 and below 1, or null.",
            )


@dataclass
class RangeTestOptions(Options):
    """The learning rate range test: how the rate grows, and when the test ends."""

    start: float = 1e-5
    end: float = 10.0
    steps: int = 100  # optimizer steps from start to end
    beta: float = 0.9  # weight of the past in the smoothed loss
    stop: float = 4.0  # ends when the smoothed loss is so many times its minimum

    def validate(self) -> Iterator[Problem]:
        if not 0 < self.start < self.end:
            yield "start", f"is {self.start:g} and {NODE}.end is {self.end:g}, but 0 < start < end must hold."
        if self.steps < 20:
            yield "steps", f"is {self.steps}, but a curve needs at least 20."
        if not 0 <= self.beta < 1:
            yield "beta", f"is {self.beta}, but must be at least 0 and below 1."
        if self.stop <= 1:
            yield "stop", f"is {self.stop}, but must be above 1."


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
