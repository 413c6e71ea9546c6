"""Words drawn from the model's distribution.

A sentence's draws depend on the seed and on its own words alone, not on the batch it is in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.constraints import Limits, length_penalty
from seqvise.decoding.hypotheses import Finished, NBest
from seqvise.decoding.options import DecodingOptions
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.interface import BOS, EOS, PAD, UNK, SourceBatch, StepModel


@torch.no_grad()
def continuations(model: AwdLstm, prompts: Tensor, most: int, seed: int, temperature: float = 1.0) -> list[list[int]]:
    """Words drawn one after another from the model's distribution, up to the end of a document.

    ``<unk>`` is not drawn, nor what is no word. The draws depend on the seed alone.

    Args:
        model: in evaluation mode.
        prompts: (N, P) int64, the beginnings.
        most: words of a continuation at most.
        seed: of the draws.
        temperature: of the distribution; 0 takes the likeliest word.

    Returns:
        The words' ids of each continuation, ``EOS`` left out.
    """
    generator = torch.Generator().manual_seed(seed)
    read = model(prompts)
    said: list[Tensor] = []
    for _ in range(most):
        words = _draw(model.generator(read.outputs[:, -1]).float().cpu(), temperature, generator)
        said.append(words)
        read = model(words.to(prompts.device).unsqueeze(1), read.state)
    return [_until_end(ids) for ids in torch.stack(said, 1).tolist()]


def _draw(scores: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    scores[:, [BOS, PAD, UNK]] = float("-inf")
    if temperature == 0:
        return scores.argmax(1)
    return torch.multinomial(torch.softmax(scores / temperature, 1), 1, generator=generator).squeeze(1)


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(EOS)] if EOS in ids else ids


MARGIN = 1e-5
"""Probabilities nearer than this may change places by rounding alone."""
NEVER = float("-inf")


def draws(src: SourceBatch, count: int, steps: Tensor, seed: int) -> Tensor:
    """Numbers in [0, 1), one for each word.

    Args:
        src: the sources; their words are part of the seed.
        count: K, hypotheses a sentence.
        steps: (B,) int64, words of each sentence at most.
        seed: of all sentences.

    Returns:
        (B, K, T) float64 on the CPU.
    """
    numbers = torch.zeros(len(src.lengths), count, int(steps.max()), dtype=torch.float64)
    for row, (ids, length) in enumerate(zip(src.ids.tolist(), src.lengths.tolist(), strict=True)):
        digest = hashlib.blake2b(repr((seed, ids[:length])).encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest))
        drawn = torch.rand(int(steps[row]), count, dtype=torch.float64, generator=generator)
        numbers[row, :, : len(drawn)] = drawn.t()
    return numbers


@dataclass(frozen=True)
class Drawn:
    """Words (N,) int64, and whether rounding could have changed them (N,) bool."""

    words: Tensor
    close: Tensor


def draw_words(log_probs: Tensor, numbers: Tensor, options: DecodingOptions) -> Drawn:
    """A word a row, by the inverse of the distribution function.

    Args:
        log_probs: (N, V), minus infinity where a word may not be said.
        numbers: (N,), uniform in [0, 1).
        options: ``temperature``, ``top_k`` and ``top_p`` are read.
    """
    probs = torch.softmax(log_probs / options.temperature, 1)
    probs, close = likeliest(probs, options.top_k, options.top_p)
    upper = probs.cumsum(1)
    at = numbers.to(upper).unsqueeze(1) * upper[:, -1:]
    first, last = _ends(probs)
    words = torch.searchsorted(upper, at, right=True).clamp(first, last)
    above = upper.gather(1, words) - at
    below = probs.gather(1, words) - above
    close |= (((above < MARGIN) & (words < last)) | ((below < MARGIN) & (words > first))).squeeze(1)
    return Drawn(words.squeeze(1), close)


def likeliest(probs: Tensor, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """The probabilities (N, V), zero where a word is not drawn, and whether rounding could have changed which (N,).

    Args:
        probs: (N, V).
        top_k: that many words stay; 0 for all.
        top_p: the fewest words that together have this probability stay (Holtzman et al. 2020); 1 for all.
    """
    words = probs.shape[1]
    if not 0 < top_k < words and top_p == 1:
        return probs, torch.zeros(len(probs), dtype=torch.bool, device=probs.device)
    ordered, order = probs.sort(dim=1, descending=True, stable=True)
    before = ordered.cumsum(1) - ordered
    count = (before < top_p).sum(1, keepdim=True).clamp(max=top_k or words)
    kept = torch.arange(words, device=probs.device) < count
    gap = ordered.gather(1, count - 1) - ordered.gather(1, count.clamp(max=words - 1))
    close = ((gap < MARGIN) & (count < words)) | ((before - top_p).abs() < MARGIN).any(1, keepdim=True) * (top_p < 1)
    return probs.masked_fill(~torch.zeros_like(kept).scatter(1, order, kept), 0.0), close.squeeze(1)


def _ends(probs: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last word that have any probability: (N, 1) each."""
    there = (probs > 0).int()
    return there.argmax(1, keepdim=True), probs.shape[1] - 1 - there.flip(1).argmax(1, keepdim=True)


@dataclass(frozen=True)
class Draws:
    """Hypotheses that have not ended, N rows.

    Attributes:
        sentences, places: (N,) int64, the sentence of each, and which of its draws it is.
        numbers: (N, T), uniform, one for each word.
        log_probs: (N,).
        tokens: (N, t) int64, what was said.
    """

    sentences: Tensor
    places: Tensor
    numbers: Tensor
    log_probs: Tensor
    tokens: Tensor

    def take(self, rows: Tensor) -> Draws:
        """The chosen hypotheses. rows: (M,) int64."""
        return Draws(
            self.sentences[rows], self.places[rows], self.numbers[rows], self.log_probs[rows], self.tokens[rows]
        )

    def longer(self, words: Tensor, log_probs: Tensor) -> Draws:
        """With one more word each. words: (N,) int64, log_probs: (N,)."""
        tokens = torch.cat([self.tokens, words.unsqueeze(1)], 1)
        return Draws(self.sentences, self.places, self.numbers, self.log_probs + log_probs, tokens)


class Sampler:
    """One round of draws.

    Args:
        model: in evaluation mode.
        src: the sources.
        options: the choices.
        prefix: (B, P) int64, what each hypothesis begins with, then ``PAD``; None for none.
    """

    def __init__(
        self, model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None
    ) -> None:
        self.model, self.src, self.options = model, src, options
        self.limits = Limits(src, options, prefix)
        count, device = len(src.lengths), src.ids.device
        self.finished = Finished(count, options.nbest, int(self.limits.most.max()), device)
        self.close = torch.zeros(count, dtype=torch.bool, device=device)

    def run(self) -> NBest:
        """The draws of each sentence, the one with the largest score first."""
        alive = self._start()
        memory = self.model.select(self.model.encode(self.src), alive.sentences)
        state = self.model.init(memory)
        words = torch.full_like(alive.sentences, BOS)
        while len(words):
            stepped = self.model.step(words, state, memory)
            alive = self._grow(alive, stepped.logits)
            ended = (alive.tokens[:, -1] == EOS) | (alive.tokens.shape[1] >= self.limits.most[alive.sentences])
            self._put_away(alive.take(ended.nonzero().squeeze(1)))
            rows = (~ended).nonzero().squeeze(1)
            state = self.model.reorder(stepped.state, rows)
            if len(rows) < len(words):
                memory = self.model.select(memory, rows)
            alive = alive.take(rows)
            words = alive.tokens[:, -1]
        return self.finished.best(self.options.nbest, self.close, MARGIN)

    def _start(self) -> Draws:
        count, device = len(self.src.lengths), self.src.ids.device
        numbers = draws(self.src, self.options.nbest, self.limits.most.cpu(), self.options.seed)
        rows = torch.arange(count * self.options.nbest, device=device)
        return Draws(
            sentences=rows // self.options.nbest,
            places=rows % self.options.nbest,
            numbers=numbers.flatten(0, 1).to(device, torch.float32),
            log_probs=torch.zeros(len(rows), device=device),
            tokens=torch.zeros(len(rows), 0, dtype=torch.long, device=device),
        )

    def _grow(self, alive: Draws, logits: Tensor) -> Draws:
        log_probs = torch.log_softmax(logits.float(), 1)
        self.limits.apply(log_probs, alive.tokens, alive.sentences)
        drawn = draw_words(log_probs, alive.numbers[:, alive.tokens.shape[1]], self.options)
        self.close[alive.sentences[drawn.close]] = True
        return alive.longer(drawn.words, log_probs.gather(1, drawn.words.unsqueeze(1)).squeeze(1))

    def _put_away(self, ended: Draws) -> None:
        length = torch.tensor(ended.tokens.shape[1], device=ended.tokens.device)
        scores = ended.log_probs / length_penalty(length, self.options)
        self.finished.add(ended.sentences, ended.places, scores, ended.log_probs, ended.tokens)


def sample(
    model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None = None
) -> NBest:
    """``nbest`` draws a sentence. See ``Sampler`` for the arguments."""
    return Sampler(model, src, options, prefix).run()
