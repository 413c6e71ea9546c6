"""One training step of our language model and of the published recipe in plain current torch, in turn.

Both use the AWD-LSTM with all dropouts, activation penalties, clipping and SGD, and the same windows of random lengths.
The plain recipe follows https://github.com/salesforce/awd-lstm-lm: it masks the whole embedding, and computes all
logits. Losses are compared without dropout, from the same weights. Each model runs in a separate process, ours with the
setup of our commands.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.alone import RemoteObject
from benchmarks.training_step import product_time
from seqvise.corpus.documents.options import StreamOptions
from seqvise.datamodules.stream import StreamBatch, equal_columns, random_windows
from seqvise.machine import keep_memory
from seqvise.models.awd_lstm.model import AwdLstm, StreamState, activation_penalty, detach_state
from seqvise.models.awd_lstm.options import LanguageModelOptions
from seqvise.tasks.base import choose_precision

CLIP, RATE, CHUNK = 0.25, 1.0, 1024
BOUNDS = 3
"""Number of windows whose matrix products are timed separately."""
Step = Callable[[StreamBatch], float]
State = list[tuple[Tensor, Tensor]]
Outputs = tuple[Tensor, Tensor, Tensor, State]


@dataclass(frozen=True)
class Size:
    """Sizes of a model and its batches."""

    vocab_size: int
    embedding: int
    hidden: int
    layers: int
    columns: int


SIZES = {
    "ptb_small": Size(10_002, 256, 400, 2, 32),
    "imdb_small": Size(30_004, 256, 400, 2, 32),
    "lesson_words": Size(60_004, 256, 400, 2, 52),
    "ptb_awd": Size(10_002, 400, 1150, 3, 20),
}


class PlainAwdLstm(nn.Module):
    """The published model: weight dropout by setting attributes, logits of the whole window."""

    def __init__(self, options: LanguageModelOptions, vocab_size: int) -> None:
        super().__init__()
        self.rates, self.on = options.dropout, True
        widths = [options.embedding, *[options.hidden] * (options.layers - 1), options.embedding]
        self.embedding = nn.Embedding(vocab_size, options.embedding)
        self.decoder = nn.Linear(options.embedding, vocab_size)
        self.decoder.weight = self.embedding.weight
        self.rnns = nn.ModuleList(nn.LSTM(*pair) for pair in pairwise(widths))
        self.raw = nn.ParameterList(nn.Parameter(cast(Tensor, rnn.weight_hh_l0).detach().clone()) for rnn in self.rnns)
        for rnn in self.rnns:
            del rnn._parameters["weight_hh_l0"]

    def forward(self, inputs: Tensor, state: State) -> Outputs:
        """Logits, outputs with and without dropout, state. inputs: (T, B)."""
        values = self._locked(F.embedding(inputs, self._masked_embedding()), self.rates.input)
        raw = values
        states: State = []
        for index, rnn in enumerate(self.rnns):
            dropped = F.dropout(self.raw[index] * 1.0, self.rates.weights, self.on)
            setattr(rnn, "weight_hh_l0", dropped)  # noqa: B010 - mypy rejects plain assignment of a tensor
            raw, new_state = cast(nn.LSTM, rnn)(values, state[index] if state else None)
            states.append((new_state[0].detach(), new_state[1].detach()))
            values = self._locked(raw, self.rates.output if index == len(self.rnns) - 1 else self.rates.hidden)
        return self.decoder(values), values, raw, states

    def _masked_embedding(self) -> Tensor:
        weight = self.embedding.weight
        if not self.on:
            return weight
        kept = 1 - self.rates.words
        mask = weight.new_empty(weight.shape[0], 1).bernoulli_(kept).expand_as(weight) / kept
        return mask * weight

    def _locked(self, values: Tensor, rate: float) -> Tensor:
        if not self.on:
            return values
        mask = values.new_empty(1, *values.shape[1:]).bernoulli_(1 - rate) / (1 - rate)
        return mask.expand_as(values) * values


def our_step(model: AwdLstm, sampled: int | None = None, precision: str = "auto") -> Step:
    """A closure that takes one optimizer step of our model and returns the cross entropy.

    Args:
        model: in training mode.
        sampled: `loss.sampled`.
        precision: `loss.precision`.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=1.2e-6, fused=True)
    dtype, options = choose_precision(precision, torch.device("cpu")).dtype, model.options
    state: list[StreamState] = []

    def step(batch: StreamBatch) -> float:
        read = model(batch.inputs, state[0] if state else None)
        state[:] = [detach_state(read.state)]
        targets = batch.targets.flatten()
        total = model.generator.loss(read.outputs.flatten(0, 1), targets, 0.0, CHUNK, dtype, sampled)
        loss = total / len(targets)
        optimizer.zero_grad(set_to_none=True)
        (loss + activation_penalty(read, options.activation, options.temporal)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


def plain_step(model: PlainAwdLstm, options: LanguageModelOptions) -> Step:
    """A closure that takes one optimizer step of the plain recipe and returns the cross entropy."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=1.2e-6)
    state: State = []

    def step(batch: StreamBatch) -> float:
        logits, dropped, raw, new_state = model(batch.inputs.t(), state)
        state[:] = new_state
        optimizer.zero_grad()
        loss = F.cross_entropy(logits.view(-1, logits.shape[2]), batch.targets.t().reshape(-1))
        penalty = options.activation * dropped.pow(2).mean()
        penalty = penalty + options.temporal * (raw[1:] - raw[:-1]).pow(2).mean()
        (loss + penalty).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


def copy_weights(ours: AwdLstm, plain: PlainAwdLstm) -> None:
    """Copies our weights to the plain model."""
    with torch.no_grad():
        plain.embedding.weight.copy_(ours.encoder.embedding.weight)
        plain.decoder.bias.copy_(ours.generator.bias)
        for index, layer in enumerate(ours.encoder.layers):
            plain.raw[index].copy_(layer.weight_hh_l0)
            for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
                getattr(plain.rnns[index], name).copy_(getattr(layer, name))


class Steps:
    """One model in a separate process; both start with the same weights.

    Args:
        ours: whether it is our model, with the setup of our commands, or the plain recipe.
        size: sizes of the model and its batches.
        count: number of windows.
        precision: `loss.precision` of ours.
    """

    def __init__(self, ours: bool, size: Size, count: int, precision: str = "auto") -> None:
        if ours:
            keep_memory()
        torch.manual_seed(0)
        self.options = LanguageModelOptions(embedding=size.embedding, hidden=size.hidden, layers=size.layers)
        self.size, self.batches = size, make_batches(size, count)
        model, self.plain = AwdLstm(self.options, size.vocab_size), PlainAwdLstm(self.options, size.vocab_size)
        copy_weights(model, self.plain)
        self.step = our_step(model, None, precision) if ours else plain_step(self.plain, self.options)

    def loss(self, index: int) -> float:
        """Loss of one step over a window without dropout."""
        self._drop(False)
        return self.step(self.batches[index])

    def seconds(self, index: int) -> float:
        """Seconds of one step over a window with dropout."""
        self._drop(True)
        start = time.perf_counter()
        self.step(self.batches[index])
        return time.perf_counter() - start

    def products(self, index: int) -> float:
        """Seconds of the matrix products of a step, forward and backward: a lower bound for a step."""
        tokens, size = self.batches[index].token_count, self.size
        widths = [size.embedding, *[size.hidden] * (size.layers - 1), size.embedding]
        shapes = [(tokens, size.embedding, size.vocab_size, choose_precision("auto", torch.device("cpu")).dtype)]
        for inner, outer in pairwise(widths):
            shapes += [(tokens, width, 4 * outer, torch.float32) for width in (inner, outer)]
        return sum(product_time(*shape) for shape in shapes)

    def mean_words(self) -> float:
        """Mean number of words per window."""
        return statistics.mean(batch.token_count for batch in self.batches)

    def _drop(self, on: bool) -> None:
        self.options.dropout.scale, self.plain.on = float(on), on


def measure(name: str, size: Size, steps: int, precision: str = "auto") -> dict[str, float | str]:
    """Measures both models in turn over the same windows; returns median seconds per step and derived values.

    Args:
        name: name of the size.
        size: sizes of the model and its batches.
        steps: number of measured steps.
        precision: `loss.precision` of ours; the plain recipe uses single precision.
    """
    indices = range(2, steps + 2)
    with (
        RemoteObject(Steps, True, size, steps + 2, precision) as ours,
        RemoteObject(Steps, False, size, steps + 2) as plain,
    ):
        losses = [(ours.call("loss", index), plain.call("loss", index)) for index in range(2)]
        rows = [(ours.call("seconds", index), plain.call("seconds", index)) for index in indices]
        bound, words = (
            statistics.median(ours.call("products", index) for index in indices[:BOUNDS]),
            ours.call("mean_words"),
        )
    median, plain_median = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "size": name,
        "seconds": median,
        "plain_seconds": plain_median,
        "ratio": statistics.median(theirs / mine for mine, theirs in rows),
        "tokens_per_second": words / median,
        "share_of_products": bound / median,
        "loss": losses[0][0],
        "plain_loss": losses[0][1],
        "second_loss": losses[1][0],
        "plain_second_loss": losses[1][1],
    }


def make_batches(size: Size, count: int) -> list[StreamBatch]:
    """Windows of a generated stream whose word frequencies follow a Zipf distribution, like natural language."""
    rng = np.random.default_rng(0)
    options = StreamOptions()
    length = (count + 2) * options.bptt * size.columns
    columns = equal_columns((4 + rng.zipf(1.3, length) % (size.vocab_size - 4)).astype(np.int32), size.columns)
    return [columns.batch(window) for window in random_windows(columns.steps, options, 0, 0)[:count]]
