"""One training step of each translation model at its defaults and the vocabulary sizes of fast.ai's lesson, for several
teacher forcing ratios and precisions.

All take turns over the same batches, each in its process after a warm-up over every shape. bfloat16 is measured if it
is fast on this CPU.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, cast

import torch

from benchmarks.alone import RemoteObject
from benchmarks.training_step import LESSON, SOURCE, Sizes, Steps, TakeStep, Trained, make_batches, step_of
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.machine import has_bf16
from seqvise.runs.model import build_model

MODELS = ("rnn", "bidirectional", "attention", "full", "luong", "transformer")
FORCING = (1.0, 0.5, 0.0)
MIXED = "bf16-mixed"


class Setting(NamedTuple):
    """Choice of `model`, teacher forcing ratio, and `loss.precision` (or `trainer.precision` for ``bf16-mixed``)."""

    model: str
    forcing: float
    precision: str


def take_steps(setting: Setting, vocab_size: int) -> TakeStep:
    """A closure that takes one optimizer step with a setting. vocab_size: target vocabulary size."""
    model = build_model(typed(compose([f"model={setting.model}"])), SOURCE, vocab_size)
    dtype = torch.float32 if setting.precision == "fp32" else torch.bfloat16
    return step_of(cast(Trained, model), setting.forcing, dtype, mixed=setting.precision == MIXED)


def precisions() -> list[str]:
    """The precisions that are fast on this CPU."""
    return ["fp32", "bf16", MIXED] if has_bf16(torch.device("cpu")) else ["fp32"]


def measure_models(models: Sequence[str], steps: int, sizes: Sizes = LESSON) -> list[dict[str, Any]]:
    """One row for each setting: median seconds per step, and target tokens per second."""
    return [row for model in models for row in _measure(model, steps, sizes)]


def _measure(model: str, steps: int, sizes: Sizes) -> list[dict[str, Any]]:
    settings = [Setting(model, forcing, precision) for forcing in FORCING for precision in precisions()]
    tokens = statistics.mean(len(batch.real) for batch in make_batches(steps, sizes))
    with ExitStack() as stack:
        remotes = {
            setting: stack.enter_context(
                RemoteObject(Steps, partial(take_steps, setting, sizes.vocab_size), steps, sizes)
            )
            for setting in settings
        }
        rounds = [
            {setting: remote.call("seconds", index) for setting, remote in remotes.items()} for index in range(steps)
        ]
    seconds = {setting: statistics.median(round_seconds[setting] for round_seconds in rounds) for setting in settings}
    return [
        {**setting._asdict(), "seconds": seconds[setting], "tokens_per_second": tokens / seconds[setting]}
        for setting in settings
    ]
