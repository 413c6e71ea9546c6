"""One training step of our model and of the fast.ai (2018) attention baseline, in turn, over batches of varying shape.

Both use the attention model at the sizes of fast.ai's lesson 11, the same batches, the loss without padding, Adam, and
no gradient clipping. Each runs in its own process, ours with the setup of our commands, and has processed every shape
before it is timed. The bound is the time of the matrix products alone, in the precision that our step uses.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from benchmarks.alone import RemoteObject, peak_mib
from benchmarks.lesson import LessonModel, seq2seq_loss
from seqvise.machine import keep_memory
from seqvise.models.interface import EOS, PAD, PairBatch, SourceBatch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.softmax.generator import WordPicker
from seqvise.models.transformer.model import Transformer
from seqvise.tasks.base import choose_precision
from seqvise.tasks.translation import draw_forcing

SOURCE = 24_793
FORCING = (1.0, 0.5, 0.0)
CHUNK = 512
ATTENTION = RecurrentOptions(attention="additive")
Trained: TypeAlias = Recurrent | Transformer
TakeStep: TypeAlias = Callable[[PairBatch], None]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the batches; by default those of fast.ai's lesson 11.

    Attributes:
        vocab_size: target vocabulary size.
        rows: sentences per batch.
        length: mean target length; the standard deviation is 4/13 of it.
    """

    vocab_size: int = 17_573
    rows: int = 125
    length: int = 13


LESSON = Sizes()


def make_batches(count: int, sizes: Sizes = LESSON) -> list[PairBatch]:
    """Batches like those in training: sentences of similar target length, with slightly longer sources."""
    rng, rows = np.random.default_rng(0), sizes.rows
    drawn = rng.normal(sizes.length, sizes.length * 4 / 13, count * rows).round()
    lengths = np.sort(np.clip(drawn, 4, round(sizes.length * 29 / 13)).astype(int))
    batches = [_batch(rng, lengths[start : start + rows], sizes.vocab_size) for start in range(0, len(lengths), rows)]
    return [batches[index] for index in rng.permutation(len(batches))]


def _batch(rng: np.random.Generator, target_lengths: np.ndarray, vocab_size: int) -> PairBatch:
    rows = len(target_lengths)
    source_lengths = np.maximum(target_lengths + rng.integers(-1, 5, rows), 3)
    source, target = _side(rng, source_lengths, SOURCE), _side(rng, target_lengths, vocab_size)
    return PairBatch(SourceBatch(source, torch.from_numpy(source_lengths)), target, torch.arange(rows))


def _side(rng: np.random.Generator, lengths: np.ndarray, vocab_size: int) -> Tensor:
    ids = torch.full((len(lengths), int(lengths.max())), PAD)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.from_numpy(np.append(4 + rng.zipf(1.3, length - 1) % (vocab_size - 4), EOS))
    return ids


def our_step(
    forcing: float,
    vocab_size: int = LESSON.vocab_size,
    sampled: int | None = None,
    options: RecurrentOptions = ATTENTION,
) -> TakeStep:
    """A closure that takes one optimizer step of our model.

    Args:
        forcing: teacher forcing ratio.
        vocab_size: target vocabulary size.
        sampled: `loss.sampled`.
        options: the `model` node.
    """
    dtype = choose_precision("auto", torch.device("cpu")).dtype
    return step_of(Recurrent(options, SOURCE, vocab_size), forcing, dtype, sampled)


def step_of(
    model: Trained, forcing: float, dtype: torch.dtype, sampled: int | None = None, mixed: bool = False
) -> TakeStep:
    """A closure that takes one optimizer step of a translation model.

    Args:
        model: in training mode.
        forcing: teacher forcing ratio.
        dtype: dtype of the projection.
        sampled: `loss.sampled`.
        mixed: whether the other products use bfloat16 too, as with `trainer.precision=bf16-mixed`.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(batch: PairBatch) -> None:
        rows, steps = batch.target.shape
        forced = draw_forcing(rows, steps, forcing, "step")
        pick = None if forced is None else WordPicker(model.generator, dtype)
        targets = batch.target.flatten().index_select(0, batch.real)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            outputs = model(batch, forced, pick).flatten(0, 1).index_select(0, batch.real)
            total = model.generator.loss(outputs, targets, 0.0, CHUNK, dtype, sampled)
        optimizer.zero_grad(set_to_none=True)
        (total / len(targets)).backward()
        optimizer.step()

    return step


def lesson_step(forcing: float) -> TakeStep:
    """A closure that takes one optimizer step of the fast.ai baseline."""
    model = LessonModel(SOURCE, LESSON.vocab_size, attention=True)
    model.pr_force = forcing
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(batch: PairBatch) -> None:
        target = batch.target.t()
        loss = seq2seq_loss(model(batch.source.ids.t(), target), target, count_padding=False)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def products_time(batch: PairBatch, dtype: torch.dtype, vocab_size: int = LESSON.vocab_size) -> float:
    """Seconds of a step's matrix products alone, forward and backward (three times the forward ones)."""
    tokens, (rows, steps) = len(batch.real), batch.target.shape
    source = batch.source.ids.shape[1]
    shapes = [(tokens, 300, vocab_size, dtype)]
    shapes += [(rows * source, width, 3 * 256, torch.float32) for width in (300, 256, 256, 256)]
    shapes += [(rows * source, 256, 300, torch.float32)]
    shapes += [(rows * steps, width, 3 * 300, torch.float32) for width in (300, 300, 300, 300)]
    shapes += [(rows * steps, width, 300, torch.float32) for width in (300, 300, 256)]
    return sum(product_time(*shape) for shape in shapes)


def product_time(rows: int, inner: int, columns: int, dtype: torch.dtype) -> float:
    """Seconds of a product of (rows, inner) and (inner, columns), and of the two products of its gradients."""
    left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
    back = torch.randn(rows, columns, dtype=dtype)

    def products() -> None:
        left @ right.t()
        back @ right
        back.t() @ left

    products()
    return min(timed(products) for _ in range(3))


def timed(work: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Steps:
    """Takes training steps in a separate process, after a warm-up over every batch.

    Args:
        make: returns a function that takes a step.
        count: number of batches.
        sizes: sizes of the batches.
        keeps: whether freed memory is kept, as in our commands.
    """

    def __init__(self, make: Callable[[], TakeStep], count: int, sizes: Sizes = LESSON, keeps: bool = True) -> None:
        if keeps:
            keep_memory()
        torch.manual_seed(0)
        random.seed(0)
        self.sizes, self.batches = sizes, make_batches(count, sizes)
        before = peak_mib()
        self.step = make()
        for batch in self.batches:
            self.step(batch)
        self.peak = peak_mib() - before

    def seconds(self, index: int) -> float:
        """Seconds of one step over a batch."""
        return timed(partial(self.step, self.batches[index]))

    def products(self) -> float:
        """Median seconds of a step's matrix products alone, for the attention model."""
        dtype = choose_precision("auto", torch.device("cpu")).dtype
        return statistics.median(products_time(batch, dtype, self.sizes.vocab_size) for batch in self.batches)

    def mean_tokens(self) -> float:
        """Mean number of target tokens per batch."""
        return statistics.mean(len(batch.real) for batch in self.batches)

    def peak_mib(self) -> float:
        """Peak memory in MiB beyond that before the model was built."""
        return self.peak


def measure_forcing(steps: int) -> list[dict[str, float]]:
    """One row for each of three forcing ratios, over as many batches as steps."""
    return [measure(forcing, steps) for forcing in FORCING]


def measure(forcing: float, steps: int) -> dict[str, float]:
    """Measures both models in turn over the same batches; returns median seconds per step and derived values."""
    both = partial(our_step, forcing), partial(lesson_step, forcing)
    with RemoteObject(Steps, both[0], steps) as ours, RemoteObject(Steps, both[1], steps, keeps=False) as lesson:
        rows = [(ours.call("seconds", index), lesson.call("seconds", index)) for index in range(steps)]
        tokens, bound, peak = ours.call("mean_tokens"), ours.call("products"), ours.call("peak_mib")
    mine, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "forcing": forcing,
        "seconds": mine,
        "lesson_seconds": theirs,
        "ratio": statistics.median(theirs / mine for mine, theirs in rows),
        "tokens_per_second": tokens / mine,
        "lesson_tokens_per_second": tokens / theirs,
        "share_of_products": bound / mine,
        "peak_mib": peak,
    }
