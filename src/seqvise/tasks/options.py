"""What a person chooses about what is optimised. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass
class LossOptions:
    """Cross entropy over the target words."""

    count_padding: bool = False  # the lesson's loss: padded steps count as words to be said
    label_smoothing: float = 0.0
    precision: str = "auto"  # of the vocabulary projection: auto takes bf16 where the processor is fast at it
    chunk: int = 512  # rows projected at once; no tensor is larger than (chunk, words)
    sampled: int | None = None  # words that training's softmax draws at each step beside the batch's own; null: all

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if not 0 <= self.label_smoothing < 1:
            yield f"{key}.label_smoothing is {self.label_smoothing}, but must be at least 0 and below 1."
        if self.precision not in PRECISIONS:
            yield f"{key}.precision is '{self.precision}', but must be one of {', '.join(PRECISIONS)}."
        if self.chunk < 1:
            yield f"{key}.chunk is {self.chunk}, but at least one row must be projected at once."
        if self.sampled is None:
            return
        if self.sampled < 1:
            yield f"{key}.sampled is {self.sampled}, but must be at least 1, or null for all words."
        if self.label_smoothing:
            yield (
                f"{key}.label_smoothing is {self.label_smoothing:g}, but reads all words, which {key}.sampled is there "
                f"to avoid: set {key}.label_smoothing=0 or {key}.sampled=null."
            )


@dataclass
class OptimizerOptions:
    """The optimizer and its peak rate; schedules multiply the rate."""

    name: str = "adam"
    lr: float = 2e-3  # the schedule's peak
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])  # adam, adamw; the first is its momentum
    momentum: float = 0.9  # sgd
    weight_decay: float = 0.0
    eps: float = 1e-8
    embedding_lr: float = 1.0  # factor on the rate of word vectors; 0 freezes them
    arguments: dict[str, Any] = field(default_factory=dict)  # of torch's class, keys of the node itself

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.name not in OPTIMIZERS:
            yield f"{key}.name is '{self.name}', but must be one of {', '.join(OPTIMIZERS)}."
        if self.lr <= 0:
            yield f"{key}.lr is {self.lr}, but a learning rate must be above 0."
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            yield f"{key}.betas is {list(self.betas)}, but must be two numbers, each at least 0 and below 1."
        for name in ("momentum", "weight_decay", "embedding_lr"):
            if getattr(self, name) < 0:
                yield f"{key}.{name} is {getattr(self, name)}, but cannot be negative."


@dataclass
class MonitorOptions:
    """The metric that checkpointing, early stopping, schedulers and reports look at."""

    metric: str = "val/bleu"
    mode: str = "max"

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.mode not in ("max", "min"):
            yield f"{key}.mode is '{self.mode}', but must be max or min."
