"""What a person chooses about schedules and records. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

AVERAGES = ("none", "ema", "swa", "nt_asgd")


@dataclass
class CallbackOptions:
    """Which of our callbacks run; a person's own go to `callbacks.extra`, each a node with `_target_`."""

    patience: int | None = None  # early stopping: validations without a better `monitor.metric`; null never stops
    progress: bool = True
    samples: int = 8  # validation translations shown in TensorBoard and in samples.txt
    attention_maps: int = 4
    keep_best: int = 1  # checkpoints kept by `monitor`; best.ckpt is the first of them, 0 keeps last.ckpt only
    keep_last: int = 1  # checkpoints kept of the last validations; last.ckpt is always one
    save_steps: int | None = None  # last.ckpt is also written every so many steps; null: after validations only
    average: str = "none"  # of the weights, which validation measures and checkpoints hold
    average_decay: float = 0.999  # ema: share of the average that a step keeps
    average_start: float | None = None  # share of training after which averaging begins; null: ema 0, swa 0.75
    average_patience: int = 5  # nt_asgd: begins at a validation worse than the best of all but the last so many
    extra: dict[str, Any] = field(default_factory=dict)

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.patience is not None and self.patience < 1:
            yield f"{key}.patience is {self.patience}, but must be at least 1, or null never to stop early."
        for name in ("samples", "attention_maps", "keep_best"):
            if getattr(self, name) < 0:
                yield f"{key}.{name} is {getattr(self, name)}, but cannot be negative."
        if self.save_steps is not None and self.save_steps < 1:
            yield f"{key}.save_steps is {self.save_steps}, but must be at least 1, or null for validations only."
        if self.keep_last < 1:
            yield f"{key}.keep_last is {self.keep_last}, but must be at least 1: last.ckpt is always kept."
        yield from self._problems_of_average(key)
        for name, node in self.extra.items():
            if not isinstance(node, Mapping) or "." not in str(node.get("_target_", "")):
                yield f"{key}.extra.{name} has no _target_: give it one, the dotted path of the callback's class."

    def _problems_of_average(self, key: str) -> Iterator[str]:
        if self.average not in AVERAGES:
            yield f"{key}.average is '{self.average}', but must be one of {', '.join(AVERAGES)}."
        if not 0 < self.average_decay < 1:
            yield f"{key}.average_decay is {self.average_decay}, but must be above 0 and below 1."
        if self.average_patience < 1:
            yield f"{key}.average_patience is {self.average_patience}, but must be at least 1."
        if self.average_start is not None and not 0 <= self.average_start < 1:
            yield (
                f"{key}.average_start is {self.average_start}, but must be a share of training, at least 0 and below "
                "1, or null."
            )


@dataclass
class RangeTestOptions:
    """The learning rate range test: how the rate grows, and when it has grown enough."""

    start: float = 1e-5
    end: float = 10.0
    steps: int = 100  # optimizer steps from start to end
    beta: float = 0.9  # weight of the past in the smoothed loss
    stop: float = 4.0  # ends when the smoothed loss is so many times its best

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if not 0 < self.start < self.end:
            yield f"{key}.start is {self.start:g} and {key}.end is {self.end:g}, but 0 < start < end must hold."
        if self.steps < 20:
            yield f"{key}.steps is {self.steps}, but a curve needs at least 20."
        if not 0 <= self.beta < 1:
            yield f"{key}.beta is {self.beta}, but must be at least 0 and below 1."
        if self.stop <= 1:
            yield f"{key}.stop is {self.stop}, but must be above 1."


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
