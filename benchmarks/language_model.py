"""One training step of our language model against the published recipe written plainly in today's torch, in turn.

Both sides: the AWD-LSTM with all its dropouts, activation penalties, clipping and SGD, the same windows of drawn
lengths. The plain side is what https://github.com/salesforce/awd-lstm-lm does: the embedding is masked as a whole, and
the cross entropy is of all logits. Losses are compared without dropout, from the same weights.
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

from seqvise.corpus.text_options import StreamOptions
from seqvise.datamodules.stream import StreamBatch, drawn_windows, equal_columns
from seqvise.models.awd_lstm import AwdLstm, StreamState, activation_penalty, detached
from seqvise.models.language_options import LanguageModelOptions
from seqvise.models.losses import linear_cross_entropy
from seqvise.tasks.precision import choose_precision

CLIP, RATE, CHUNK = 0.25, 1.0, 1024
Step = Callable[[StreamBatch], float]
State = list[tuple[Tensor, Tensor]]
Outputs = tuple[Tensor, Tensor, Tensor, State]


@dataclass(frozen=True)
class Size:
    """Of a model and its batches."""

    words: int
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
    """The published model: weights dropped by setting attributes, logits of the whole window."""

    def __init__(self, options: LanguageModelOptions, words: int) -> None:
        super().__init__()
        self.rates, self.on = options.dropout, True
        widths = [options.embedding, *[options.hidden] * (options.layers - 1), options.embedding]
        self.embedding = nn.Embedding(words, options.embedding)
        self.decoder = nn.Linear(options.embedding, words)
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
        for place, rnn in enumerate(self.rnns):
            dropped = F.dropout(self.raw[place] * 1.0, self.rates.weights, self.on)
            setattr(rnn, "weight_hh_l0", dropped)  # noqa: B010 - a module takes no tensor by plain assignment in mypy
            raw, after = cast(nn.LSTM, rnn)(values, state[place] if state else None)
            states.append((after[0].detach(), after[1].detach()))
            values = self._locked(raw, self.rates.output if place == len(self.rnns) - 1 else self.rates.hidden)
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


def our_step(model: AwdLstm) -> Step:
    """A closure that takes one optimizer step of ours and gives the cross entropy."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=1.2e-6, fused=True)
    dtype, options = choose_precision("auto", torch.device("cpu")).dtype, model.options
    state: list[StreamState] = []

    def step(batch: StreamBatch) -> float:
        read = model(batch.inputs, state[0] if state else None)
        state[:] = [detached(read.state)]
        weight, bias = model.generator.weight, model.generator.bias
        targets = batch.targets.flatten()
        total = linear_cross_entropy(read.outputs.flatten(0, 1), weight, bias, targets, chunk=CHUNK, dtype=dtype)
        loss = total / len(targets)
        optimizer.zero_grad(set_to_none=True)
        (loss + activation_penalty(read, options.activation, options.temporal)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


def plain_step(model: PlainAwdLstm, options: LanguageModelOptions) -> Step:
    """A closure that takes one optimizer step of the plain recipe and gives the cross entropy."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=1.2e-6)
    state: State = []

    def step(batch: StreamBatch) -> float:
        logits, dropped, raw, after = model(batch.inputs.t(), state)
        state[:] = after
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
    """Gives the plain model the weights of ours."""
    with torch.no_grad():
        plain.embedding.weight.copy_(ours.encoder.embedding.weight)
        plain.decoder.bias.copy_(ours.generator.bias)
        for place, layer in enumerate(ours.encoder.layers):
            plain.raw[place].copy_(layer.weight_hh_l0)
            for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
                getattr(plain.rnns[place], name).copy_(getattr(layer, name))


def measure(name: str, steps: int) -> dict[str, float | str]:
    """Both sides in turn over the same windows; medians of seconds a step, and what follows from them."""
    size = SIZES[name]
    torch.manual_seed(0)
    options = LanguageModelOptions(embedding=size.embedding, hidden=size.hidden, layers=size.layers)
    ours, plain = AwdLstm(options, size.words), PlainAwdLstm(options, size.words)
    copy_weights(ours, plain)
    batches = make_batches(size, steps + 2)
    mine, theirs = our_step(ours), plain_step(plain, options)
    options.dropout.scale, plain.on = 0.0, False
    losses = mine(batches[0]), theirs(batches[0])
    second = mine(batches[1]), theirs(batches[1])
    options.dropout.scale, plain.on = 1.0, True
    rows = [(_seconds(mine, batch), _seconds(theirs, batch)) for batch in batches[2:]]
    median, plain_median = (statistics.median(column) for column in zip(*rows, strict=True))
    words = statistics.mean(batch.words for batch in batches[2:])
    return {
        "size": name,
        "seconds": median,
        "plain_seconds": plain_median,
        "ratio": statistics.median(theirs / mine for mine, theirs in rows),
        "tokens_per_second": words / median,
        "loss": losses[0],
        "plain_loss": losses[1],
        "second_loss": second[0],
        "plain_second_loss": second[1],
    }


def make_batches(size: Size, count: int) -> list[StreamBatch]:
    """Windows of a made-up stream whose words are as unevenly frequent as those of a language."""
    rng = np.random.default_rng(0)
    options = StreamOptions()
    length = (count + 2) * options.bptt * size.columns
    columns = equal_columns((4 + rng.zipf(1.3, length) % (size.words - 4)).astype(np.int32), size.columns)
    return [columns.batch(window) for window in drawn_windows(columns.steps, options, 0, 0)[:count]]


def _seconds(step: Step, batch: StreamBatch) -> float:
    start = time.perf_counter()
    step(batch)
    return time.perf_counter() - start
