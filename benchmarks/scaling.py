"""One forced training step of the attention model at the lesson's sizes, as the batch or the length grows.

Each size has a process of its own, begun as our commands begin; those of one curve take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack

import torch

from benchmarks.alone import Side, peak_mib
from benchmarks.training_step import Sizes, make_batches, our_step, products_time, timed
from seqvise.machine import keep_memory
from seqvise.tasks.precision import choose_precision

CURVES = (
    [Sizes(rows=rows) for rows in (8, 32, 125, 500)],
    [Sizes(rows=32, length=length) for length in (5, 13, 40, 120)],
)
QUICK = ([Sizes(rows=2), Sizes(rows=4)],)
Row = dict[str, float]


class Steps:
    """Steps over batches of one size, which the process has seen.

    Args:
        sizes: of the batches.
        count: of batches.
    """

    def __init__(self, sizes: Sizes, count: int) -> None:
        keep_memory()
        torch.manual_seed(0)
        self.words, self.batches = sizes.words, make_batches(count, sizes)
        before = peak_mib()
        self.step = our_step(1.0, sizes.words)
        for batch in self.batches:
            self.step(batch)
        self.peak = peak_mib() - before

    def seconds(self, place: int) -> float:
        """Of one step over a batch."""
        return timed(lambda: self.step(self.batches[place]))

    def tokens(self, place: int) -> int:
        """Target words of a batch."""
        return len(self.batches[place].real)

    def products(self) -> float:
        """Median seconds of a step's matrix products alone."""
        dtype = choose_precision("auto", torch.device("cpu")).dtype
        return statistics.median(products_time(batch, dtype, self.words) for batch in self.batches)

    def peak_mib(self) -> float:
        """MiB held at most, beyond what there was before the model."""
        return self.peak


def measure(sizes: Sequence[Sizes], steps: int) -> list[Row]:
    """A row for each size: median seconds a step, words a second, and what a step is made of."""
    with ExitStack() as stack:
        sides = [stack.enter_context(Side(Steps, each, steps)) for each in sizes]
        taken = [[side.ask("seconds", place) for side in sides] for place in range(steps)]
        tokens = [sum(side.ask("tokens", place) for place in range(steps)) for side in sides]
        told = [(side.ask("products"), side.ask("peak_mib")) for side in sides]
    columns = list(zip(*taken, strict=True))
    return [
        {
            "rows": each.rows,
            "length": each.length,
            "seconds": statistics.median(column),
            "tokens_per_second": words / sum(column),
            "share_of_products": products / statistics.median(column),
            "peak_mib": peak,
        }
        for each, column, words, (products, peak) in zip(sizes, columns, tokens, told, strict=True)
    ]


def measure_scaling(curves: Sequence[Sequence[Sizes]], steps: int) -> list[Row]:
    """Of each curve."""
    return [row for sizes in curves for row in measure(sizes, steps)]
