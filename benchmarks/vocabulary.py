"""One training step as the vocabulary grows: of a softmax over all words, over words that are drawn, and cut into
clusters. The ways take turns over the same batches, each in a process of its own, begun as our commands begin.

Translation is the attention model at the lesson's sizes, forced, whose target has so many words; the language model is
that of `lm/imdb_small`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import torch

from benchmarks import language_model, training_step
from benchmarks.alone import Side
from benchmarks.training_step import timed
from seqvise.machine import keep_memory
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import LanguageModelOptions

SIZES = (5_000, 20_000, 40_000, 80_000)
SAMPLED, CUTS = 2_000, (2_000, 10_000)
WAYS = {"translation": ("all", "sampled"), "language model": ("all", "sampled", "adaptive")}


class Steps:
    """One way in its process, which has seen a step.

    Args:
        model: a key of ``WAYS``.
        way: one of its values.
        words: vocabulary size.
        count: batches.
    """

    def __init__(self, model: str, way: str, words: int, count: int) -> None:
        keep_memory()
        torch.manual_seed(0)
        self.calls: list[Callable[[], object]]
        sampled = SAMPLED if way == "sampled" else None
        if model == "translation":
            pairs = training_step.make_batches(count + 1, training_step.Sizes(words))
            step = training_step.our_step(1.0, words, sampled)
            self.calls = [partial(step, batch) for batch in pairs]
        else:
            size = language_model.Size(words, 256, 400, 2, 32)
            cuts = [cut for cut in CUTS if cut < words] if way == "adaptive" else None
            options = LanguageModelOptions(embedding=256, hidden=400, layers=2, adaptive=cuts)
            read = language_model.our_step(AwdLstm(options, words), sampled)
            self.calls = [partial(read, batch) for batch in language_model.make_batches(size, count + 1)]
        self.calls[-1]()

    def seconds(self, place: int) -> float:
        """Of one step over a batch."""
        return timed(self.calls[place])


def measure(model: str, words: int, steps: int) -> list[dict[str, float | str]]:
    """A row for each way: median seconds a step, and how many times faster it is than all words."""
    with ExitStack() as stack:
        sides = {way: stack.enter_context(Side(Steps, model, way, words, steps)) for way in WAYS[model]}
        taken = [{way: side.ask("seconds", place) for way, side in sides.items()} for place in range(steps)]
    return [
        {
            "model": model,
            "words": words,
            "softmax": way,
            "seconds": statistics.median(row[way] for row in taken),
            "ratio": statistics.median(row["all"] / row[way] for row in taken),
        }
        for way in WAYS[model]
    ]


def measure_vocabulary(sizes: tuple[int, ...], steps: int) -> list[dict[str, float | str]]:
    """Of both models at each size."""
    return [row for model in WAYS for words in sizes for row in measure(model, words, steps)]
