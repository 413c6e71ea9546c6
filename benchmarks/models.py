"""One training step of each translation model at its own defaults and the lesson's vocabularies, by the share of steps
that read the reference, and by the format of the projection or of all products.

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
from benchmarks.training_step import LESSON, SOURCE, Sizes, Steps, TakeStep, Trained, make_batches, step_of
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.machine import has_bf16
from seqvise.runs.model import build_model

MODELS = ("rnn", "bidirectional", "attention", "full", "luong", "transformer")
FORCING = (1.0, 0.5, 0.0)
MIXED = "bf16-mixed"


class Way(NamedTuple):
    """A choice of `model`, the share of forced steps, and `loss.precision` or, ``bf16-mixed``, `trainer.precision`."""

    model: str
    forcing: float
    precision: str


def take_steps(way: Way, words: int) -> TakeStep:
    """A closure that takes one optimizer step in this way. words: of the target's vocabulary."""
    model = build_model(typed(compose([f"model={way.model}"])), SOURCE, words)
    dtype = torch.float32 if way.precision == "fp32" else torch.bfloat16
    return step_of(cast(Trained, model), way.forcing, dtype, mixed=way.precision == MIXED)


def precisions() -> list[str]:
    """Those that this processor is fast at."""
    return ["fp32", "bf16", MIXED] if has_bf16(torch.device("cpu")) else ["fp32"]


def measure_models(models: Sequence[str], steps: int, sizes: Sizes = LESSON) -> list[dict[str, Any]]:
    """A row for each way: median seconds a step, and target words a second."""
    return [row for model in models for row in _measure(model, steps, sizes)]


def _measure(model: str, steps: int, sizes: Sizes) -> list[dict[str, Any]]:
    ways = [Way(model, forcing, precision) for forcing in FORCING for precision in precisions()]
    tokens = statistics.mean(len(batch.real) for batch in make_batches(steps, sizes))
    with ExitStack() as stack:
        sides = {
            way: stack.enter_context(Side(Steps, partial(take_steps, way, sizes.words), steps, sizes)) for way in ways
        }
        taken = [{way: side.ask("seconds", place) for way, side in sides.items()} for place in range(steps)]
    seconds = {way: statistics.median(turn[way] for turn in taken) for way in ways}
    return [{**way._asdict(), "seconds": seconds[way], "tokens_per_second": tokens / seconds[way]} for way in ways]
