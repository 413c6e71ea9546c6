"""One teacher-forced training step of the attention model at fast.ai's sizes, for growing batches or lengths.

Each size runs in a separate process with the setup of our commands; the sizes of one curve take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.alone import RemoteObject
from benchmarks.training_step import Sizes, Steps, our_step

CURVES = (
    [Sizes(rows=rows) for rows in (8, 32, 125, 500)],
    [Sizes(rows=32, length=length) for length in (5, 13, 40, 120)],
)
QUICK = ([Sizes(rows=2), Sizes(rows=4)],)
Row = dict[str, float]


def measure(sizes: Sequence[Sizes], steps: int) -> list[Row]:
    """One row for each size: median seconds per step, tokens per second, share of matrix products, peak memory."""
    with ExitStack() as stack:
        remotes = [
            stack.enter_context(RemoteObject(Steps, partial(our_step, 1.0, size.vocab_size), steps, size))
            for size in sizes
        ]
        rounds = [[remote.call("seconds", index) for remote in remotes] for index in range(steps)]
        tokens = [remote.call("mean_tokens") * steps for remote in remotes]
        bounds = [(remote.call("products"), remote.call("peak_mib")) for remote in remotes]
    columns = list(zip(*rounds, strict=True))
    return [
        {
            "rows": size.rows,
            "length": size.length,
            "seconds": statistics.median(column),
            "tokens_per_second": count / sum(column),
            "share_of_products": products / statistics.median(column),
            "peak_mib": peak,
        }
        for size, column, count, (products, peak) in zip(sizes, columns, tokens, bounds, strict=True)
    ]


def measure_scaling(curves: Sequence[Sequence[Sizes]], steps: int) -> list[Row]:
    """Rows of all curves."""
    return [row for sizes in curves for row in measure(sizes, steps)]
