"""One training step of each translation model at its own defaults and the lesson's vocabularies, by the share of steps
that read the reference, and by the format of the projection.

All take turns over the same batches, each in its process, which has seen every shape. bfloat16 is measured where the
processor is fast at it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, cast

import torch

from benchmarks.alone import Side
from benchmarks.training_step import LESSON, SOURCE, Sizes, Trained, make_batches, step_of, timed
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.machine import keep_memory
from seqvise.runs.model import build_model
from seqvise.tasks.precision import choose_precision

MODELS = ("rnn", "bidirectional", "attention", "full", "luong", "transformer")
FORCING = (1.0, 0.5, 0.0)


class Way(NamedTuple):
    """A choice of `model`, the share of forced steps, and `loss.precision`."""

    model: str
    forcing: float
    precision: str


class Steps:
    """One way in its process.

    Args:
        way: what is measured.
        count: batches.
        sizes: of the batches.
    """

    def __init__(self, way: Way, count: int, sizes: Sizes) -> None:
        keep_memory()
        torch.manual_seed(0)
        self.batches = make_batches(count, sizes)
        model = build_model(typed(compose([f"model={way.model}"])), SOURCE, sizes.words)
        dtype = choose_precision(way.precision, torch.device("cpu")).dtype
        self.step = step_of(cast(Trained, model), way.forcing, dtype)
        for batch in self.batches:
            self.step(batch)

    def seconds(self, place: int) -> float:
        """Of one step over a batch."""
        return timed(partial(self.step, self.batches[place]))


def precisions() -> list[str]:
    """Those that this processor is fast at."""
    fast = choose_precision("auto", torch.device("cpu")).dtype
    return ["fp32", "bf16"] if fast == torch.bfloat16 else ["fp32"]


def measure_models(models: Sequence[str], steps: int, sizes: Sizes = LESSON) -> list[dict[str, Any]]:
    """A row for each way: median seconds a step, and target words a second."""
    return [row for model in models for row in _measure(model, steps, sizes)]


def _measure(model: str, steps: int, sizes: Sizes) -> list[dict[str, Any]]:
    ways = [Way(model, forcing, precision) for forcing in FORCING for precision in precisions()]
    tokens = statistics.mean(len(batch.real) for batch in make_batches(steps, sizes))
    with ExitStack() as stack:
        sides = {way: stack.enter_context(Side(Steps, way, steps, sizes)) for way in ways}
        taken = [{way: side.ask("seconds", place) for way, side in sides.items()} for place in range(steps)]
    seconds = {way: statistics.median(turn[way] for turn in taken) for way in ways}
    return [{**way._asdict(), "seconds": seconds[way], "tokens_per_second": tokens / seconds[way]} for way in ways]
