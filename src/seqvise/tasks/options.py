"""Options of the loss, the optimizer and the monitored metric. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seqvise.options import NODE, Options, Problem, at_least, one_of

OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("auto", "fp32", "bf16")
MAIN_METRICS = {
    "parallel": "val/bleu",
    "images": "val/hit@1",
    "text_lines": "val/ppl",
    "text_labels": "val/accuracy",
}
"""The monitored metric of each `data.kind`, if the config does not name another."""
SMALLER_IS_BETTER = ("ppl", "ter", "seconds", "parameters", "steps", "epochs", "epoch")

TRANSLATION_METRICS = ("loss", "ppl", "loss_free", "loss_free_padded", "accuracy", "bleu", "chrf")
LANGUAGE_METRICS = ("loss", "ppl", "accuracy")
CLASSIFICATION_METRICS = ("loss", "accuracy", "f1")
"""Metrics that a task logs as ``val/<name>`` and ``test/<name>``."""


def metric_names(paths: Iterable[str]) -> list[str]:
    """The names of the user's metrics, which are those of their functions. paths: the `metrics` node."""
    return [path.rpartition(".")[2] for path in paths]


@dataclass
class LossOptions(Options):
    """Cross entropy over the target words."""

    count_padding: bool = False  # true is the loss of the fast.ai (2018) lesson: padding counts as tokens to predict
    label_smoothing: float = 0.0
    precision: str = "auto"  # of the projection to the vocabulary; auto: bf16 if the processor is fast at it
    chunk: int = 512  # rows projected at once; no tensor is larger than (chunk, vocabulary size)
    sampled: int | None = None  # words sampled for the training softmax at each step, beside the batch's; null: all

    def validate(self) -> Iterator[Problem]:
        if not 0 <= self.label_smoothing < 1:
            yield "label_smoothing", f"is {self.label_smoothing}, but must be at least 0 and below 1."
        yield from one_of(self, precision=PRECISIONS)
        yield from at_least(self, 1, "chunk")
        yield from at_least(self, 1, "sampled", null="for all words")
        if self.sampled is not None and self.label_smoothing:
            yield (
                "label_smoothing",
                f"is {self.label_smoothing:g}, but reads all words, which {NODE}.sampled avoids: set "
                f"{NODE}.label_smoothing=0 or {NODE}.sampled=null.",
            )


@dataclass
class OptimizerOptions(Options):
    """The optimizer and its peak rate, which the schedule multiplies."""

    name: str = "adam"  # or the dotted path of a torch.optim.Optimizer
    lr: float = 2e-3  # peak of the schedule
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])  # adam, adamw; the first is the momentum
    momentum: float = 0.9  # sgd
    weight_decay: float = 0.0
    eps: float = 1e-8
    embedding_lr: float = 1.0  # factor on the rate of word vectors; 0 freezes them
    arguments: dict[str, Any] = field(default_factory=dict)  # further arguments of torch's class, keys of the node

    def validate(self) -> Iterator[Problem]:
        if self.name not in OPTIMIZERS and "." not in self.name:
            yield (
                "name",
                f"is '{self.name}', but must be one of {', '.join(OPTIMIZERS)}, or the dotted path of a class, such as "
                "torch.optim.RAdam or one of your own.",
            )
        if self.lr <= 0:
            yield "lr", f"is {self.lr}, but a learning rate must be above 0."
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            yield "betas", f"is {list(self.betas)}, but must be two numbers, each at least 0 and below 1."
        yield from at_least(self, 0, "momentum", "weight_decay", "embedding_lr")


def main_metric(kind: str) -> str:
    """The monitored metric of a `data.kind`; the loss for a kind of the user's own."""
    return MAIN_METRICS.get(kind, "val/loss")


def is_smaller_better(metric: str) -> bool:
    """Whether a metric is a loss or a cost, by its name."""
    last = metric.rpartition("/")[2]
    return last in SMALLER_IS_BETTER or "loss" in last.split("_")


@dataclass
class MonitorOptions(Options):
    """The metric that checkpoints, early stopping, schedules and reports use."""

    metric: str = "val/bleu"
    mode: str = "max"

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, mode=("max", "min"))
