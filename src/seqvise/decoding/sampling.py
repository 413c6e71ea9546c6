"""Sampling from the model's distribution.

The samples of a sentence depend on the seed and on its source words alone, not on its batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from seqvise.decoding.beam import BatchDecoder
from seqvise.decoding.constraints import length_penalty
from seqvise.decoding.hypotheses import NBest
from seqvise.decoding.options import DecodingOptions
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.interface import BOS, EOS, PAD, UNK, SourceBatch, map_tensors


@torch.no_grad()
def continuations(
    model: AwdLstm, prompts: Tensor, max_words: int, seed: int, temperature: float = 1.0
) -> list[list[int]]:
    """Samples continuations of prompts, up to the end of a document.

    ``<unk>``, ``<bos>`` and ``<pad>`` are never drawn. The samples depend on the seed alone.

    Args:
        model: in evaluation mode.
        prompts: (N, P) int64, the first words.
        max_words: maximum length of a continuation.
        seed: random seed.
        temperature: softmax temperature; 0 takes the most probable word.

    Returns:
        The word ids of each continuation, without ``EOS``.
    """
    generator = torch.Generator().manual_seed(seed)
    output = model(prompts)
    drawn: list[Tensor] = []
    for _ in range(max_words):
        words = _draw(model.generator(output.outputs[:, -1]).float().cpu(), temperature, generator)
        drawn.append(words)
        output = model(words.to(prompts.device).unsqueeze(1), output.state)
    return [_until_end(ids) for ids in torch.stack(drawn, 1).tolist()]


def _draw(scores: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    scores[:, [BOS, PAD, UNK]] = float("-inf")
    if temperature == 0:
        return scores.argmax(1)
    return torch.multinomial(torch.softmax(scores / temperature, 1), 1, generator=generator).squeeze(1)


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(EOS)] if EOS in ids else ids


MARGIN = 1e-5
"""Rounding alone can swap probabilities that differ by less than this."""


def uniform_numbers(src: SourceBatch, count: int, steps: Tensor, seed: int) -> Tensor:
    """Uniform random numbers in [0, 1), one per output word.

    Args:
        src: the source sentences; their words are part of the seed.
        count: K, samples per sentence.
        steps: (B,) int64, maximum output length per sentence.
        seed: random seed, the same for all sentences.

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
class DrawnWords:
    """Sampled words (N,) int64, and whether rounding could have changed them (N,) bool."""

    words: Tensor
    near_tie: Tensor


def draw_words(log_probs: Tensor, numbers: Tensor, options: DecodingOptions) -> DrawnWords:
    """Samples one word per row by inverse transform sampling.

    Args:
        log_probs: (N, V), minus infinity for forbidden words.
        numbers: (N,), uniform in [0, 1).
        options: ``temperature``, ``top_k`` and ``top_p`` are used.
    """
    probs = torch.softmax(log_probs / options.temperature, 1)
    probs, near_tie = filter_probs(probs, options.top_k, options.top_p)
    upper = probs.cumsum(1)
    targets = numbers.to(upper).unsqueeze(1) * upper[:, -1:]
    first, last = _first_and_last_possible(probs)
    words = torch.searchsorted(upper, targets, right=True).clamp(first, last)
    above = upper.gather(1, words) - targets
    below = probs.gather(1, words) - above
    near_tie |= (((above < MARGIN) & (words < last)) | ((below < MARGIN) & (words > first))).squeeze(1)
    return DrawnWords(words.squeeze(1), near_tie)


def filter_probs(probs: Tensor, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """Top-k and top-p (nucleus) filtering.

    Args:
        probs: (N, V).
        top_k: number of words to keep; 0 for all.
        top_p: keep the smallest set of words with this total probability (Holtzman et al. 2020); 1 for all.

    Returns:
        the probabilities (N, V), zero for removed words, and whether rounding could have changed the selection (N,).
    """
    vocab_size = probs.shape[1]
    if not 0 < top_k < vocab_size and top_p == 1:
        return probs, torch.zeros(len(probs), dtype=torch.bool, device=probs.device)
    ordered, order = probs.sort(dim=1, descending=True, stable=True)
    preceding_mass = ordered.cumsum(1) - ordered
    count = (preceding_mass < top_p).sum(1, keepdim=True).clamp(max=top_k or vocab_size)
    kept = torch.arange(vocab_size, device=probs.device) < count
    gap = ordered.gather(1, count - 1) - ordered.gather(1, count.clamp(max=vocab_size - 1))
    tie_of_words = (gap < MARGIN) & (count < vocab_size)
    tie_with_top_p = ((preceding_mass - top_p).abs() < MARGIN).any(1, keepdim=True) * (top_p < 1)
    near_tie = (tie_of_words | tie_with_top_p).squeeze(1)
    return probs.masked_fill(~torch.zeros_like(kept).scatter(1, order, kept), 0.0), near_tie


def _first_and_last_possible(probs: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last word with nonzero probability: (N, 1) each."""
    possible = (probs > 0).int()
    return possible.argmax(1, keepdim=True), probs.shape[1] - 1 - possible.flip(1).argmax(1, keepdim=True)


@dataclass(frozen=True)
class ActiveSamples:
    """Unfinished samples, N rows."""

    # sentences, slots: (N,) int64, the sentence of each sample, and its index among the samples of the sentence
    sentences: Tensor
    slots: Tensor
    numbers: Tensor  # (N, T), uniform random numbers, one per word
    log_probs: Tensor  # (N,)
    tokens: Tensor  # (N, t) int64, the words generated so far

    def take(self, rows: Tensor) -> ActiveSamples:
        """The selected samples. rows: (M,) int64."""
        return map_tensors(lambda part: part[rows], self)

    def extended(self, words: Tensor, log_probs: Tensor) -> ActiveSamples:
        """The samples extended by one word. words: (N,) int64, log_probs: (N,)."""
        tokens = torch.cat([self.tokens, words.unsqueeze(1)], 1)
        return ActiveSamples(self.sentences, self.slots, self.numbers, self.log_probs + log_probs, tokens)


class Sampler(BatchDecoder):
    """Sampling of one batch; see ``BatchDecoder`` for the arguments."""

    def run(self) -> NBest:
        alive = self._start()
        memory = self.model.select(self.model.encode(self.src), alive.sentences)
        state = self.model.init(memory)
        words = torch.full_like(alive.sentences, BOS)
        while len(words):
            stepped = self.model.step(words, state, memory)
            alive = self._extend(alive, stepped.logits)
            ended = (alive.tokens[:, -1] == EOS) | (alive.tokens.shape[1] >= self.limits.max_lengths[alive.sentences])
            self._store_finished(alive.take(ended.nonzero().squeeze(1)))
            rows = (~ended).nonzero().squeeze(1)
            state = self.model.reorder(stepped.state, rows)
            if len(rows) < len(words):
                memory = self.model.select(memory, rows)
            alive = alive.take(rows)
            words = alive.tokens[:, -1]
        return self.finished.best(self.options.nbest, self.near_tie, MARGIN)

    def _start(self) -> ActiveSamples:
        count, device = len(self.src.lengths), self.src.ids.device
        numbers = uniform_numbers(self.src, self.options.nbest, self.limits.max_lengths.cpu(), self.options.seed)
        rows = torch.arange(count * self.options.nbest, device=device)
        return ActiveSamples(
            sentences=rows // self.options.nbest,
            slots=rows % self.options.nbest,
            numbers=numbers.flatten(0, 1).to(device, torch.float32),
            log_probs=torch.zeros(len(rows), device=device),
            tokens=torch.zeros(len(rows), 0, dtype=torch.long, device=device),
        )

    def _extend(self, alive: ActiveSamples, logits: Tensor) -> ActiveSamples:
        log_probs = torch.log_softmax(logits.float(), 1)
        self.limits.apply(log_probs, alive.tokens, alive.sentences)
        drawn = draw_words(log_probs, alive.numbers[:, alive.tokens.shape[1]], self.options)
        self.near_tie[alive.sentences[drawn.near_tie]] = True
        return alive.extended(drawn.words, log_probs.gather(1, drawn.words.unsqueeze(1)).squeeze(1))

    def _store_finished(self, ended: ActiveSamples) -> None:
        length = torch.tensor(ended.tokens.shape[1], device=ended.tokens.device)
        scores = ended.log_probs / length_penalty(length, self.options)
        self.finished.add(ended.sentences, ended.slots, scores, ended.log_probs, ended.tokens)
