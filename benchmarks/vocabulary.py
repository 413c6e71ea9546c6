"""One training step for growing vocabularies, with full, sampled and adaptive softmax. The variants take turns over the
same batches, each in a separate process with the setup of our commands.

Translation uses the attention model at the sizes of fast.ai's lesson with teacher forcing; the language model is that
of `lm/imdb_small`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import torch

from benchmarks import language_model, training_step
from benchmarks.alone import RemoteObject
from benchmarks.training_step import timed
from seqvise.machine import keep_memory
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import LanguageModelOptions

SIZES = (5_000, 20_000, 40_000, 80_000)
SAMPLED, CUTS = 2_000, (2_000, 10_000)
VARIANTS = {"translation": ("all", "sampled"), "language model": ("all", "sampled", "adaptive")}


class Steps:
    """Steps of one variant in a separate process, after one warm-up step.

    Args:
        model: a key of ``VARIANTS``.
        variant: one of its values.
        vocab_size: vocabulary size.
        count: number of batches.
    """

    def __init__(self, model: str, variant: str, vocab_size: int, count: int) -> None:
        keep_memory()
        torch.manual_seed(0)
        self.calls: list[Callable[[], object]]
        sampled = SAMPLED if variant == "sampled" else None
        if model == "translation":
            pairs = training_step.make_batches(count + 1, training_step.Sizes(vocab_size))
            step = training_step.our_step(1.0, vocab_size, sampled)
            self.calls = [partial(step, batch) for batch in pairs]
        else:
            size = language_model.Size(vocab_size, 256, 400, 2, 32)
            cuts = [cut for cut in CUTS if cut < vocab_size] if variant == "adaptive" else None
            options = LanguageModelOptions(embedding=256, hidden=400, layers=2, adaptive=cuts)
            step_of = language_model.our_step(AwdLstm(options, vocab_size), sampled)
            self.calls = [partial(step_of, batch) for batch in language_model.make_batches(size, count + 1)]
        self.calls[-1]()

    def seconds(self, index: int) -> float:
        """Seconds of one step over a batch."""
        return timed(self.calls[index])


def measure(model: str, vocab_size: int, steps: int) -> list[dict[str, float | str]]:
    """One row for each variant: median seconds per step, and the ratio to the full softmax."""
    with ExitStack() as stack:
        remotes = {
            variant: stack.enter_context(RemoteObject(Steps, model, variant, vocab_size, steps))
            for variant in VARIANTS[model]
        }
        rounds = [
            {variant: remote.call("seconds", index) for variant, remote in remotes.items()} for index in range(steps)
        ]
    return [
        {
            "model": model,
            "words": vocab_size,
            "softmax": variant,
            "seconds": statistics.median(row[variant] for row in rounds),
            "ratio": statistics.median(row["all"] / row[variant] for row in rounds),
        }
        for variant in VARIANTS[model]
    ]


def measure_vocabulary(sizes: tuple[int, ...], steps: int) -> list[dict[str, float | str]]:
    """Rows of both models at each vocabulary size."""
    return [row for model in VARIANTS for vocab_size in sizes for row in measure(model, vocab_size, steps)]
