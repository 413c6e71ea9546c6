"""One forced training step of the attention model at the lesson's sizes, as the batch or the length grows.

Each size has a process of its own, begun as our commands begin; those of one curve take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.alone import Side
from benchmarks.training_step import Sizes, Steps, our_step

CURVES = (
    [Sizes(rows=rows) for rows in (8, 32, 125, 500)],
    [Sizes(rows=32, length=length) for length in (5, 13, 40, 120)],
)
QUICK = ([Sizes(rows=2), Sizes(rows=4)],)
Row = dict[str, float]


def measure(sizes: Sequence[Sizes], steps: int) -> list[Row]:
    """A row for each size: median seconds a step, words a second, and what a step is made of."""
    with ExitStack() as stack:
        sides = [stack.enter_context(Side(Steps, partial(our_step, 1.0, each.words), steps, each)) for each in sizes]
        taken = [[side.ask("seconds", place) for side in sides] for place in range(steps)]
        tokens = [side.ask("words") * steps for side in sides]
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
