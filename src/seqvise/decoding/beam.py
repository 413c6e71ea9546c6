"""Batched beam search over all sentences and hypotheses of a batch.

A sentence starts with as many free slots as the beam size. At each step the most probable continuations of its
hypotheses fill the slots. A hypothesis that ends is stored, and its slot is removed. A beam of 1 is therefore greedy
decoding, and a beam as large as the output space is an exhaustive search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.constraints import NEG_INF, Limits, coverage_penalty, length_penalty
from seqvise.decoding.hypotheses import Finished, NBest
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.models.interface import BOS, EOS, SourceBatch, StepModel

BLOCK = 64
"""Words per block. A maximum without its index runs at memory bandwidth, so block maxima are computed first."""
MIN_SCORES_FOR_BLOCKS = 32_768
"""With fewer scores, a plain ``topk`` is faster than the search by blocks."""


def topk_words(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``scores.topk(count, 1)``, several times faster on CPU.

    The ``count`` largest scores are in the ``count`` blocks with the largest maxima, or in the incomplete last block.

    Args:
        scores: (N, V).
        count: at most V.

    Returns:
        values and word ids, each (N, count), in descending order of value.
    """
    blocks = scores.shape[1] // BLOCK
    if scores.device.type != "cpu" or blocks <= 2 * count or scores.numel() < MIN_SCORES_FOR_BLOCKS:
        values, words = scores.topk(count, 1)
        return values, words
    blocked_width = blocks * BLOCK
    top_blocks = scores[:, :blocked_width].unflatten(1, (blocks, BLOCK)).amax(2).topk(count, 1, sorted=False).indices
    offsets = torch.arange(BLOCK, device=scores.device)
    columns = (top_blocks.unsqueeze(2) * BLOCK + offsets).flatten(1)
    rest = torch.arange(blocked_width, scores.shape[1], device=scores.device).expand(len(scores), -1)
    columns = torch.cat([columns, rest], 1)
    values, positions = scores.gather(1, columns).topk(count, 1)
    return values, columns.gather(1, positions)


MARGIN = 1e-4
"""Rounding alone can swap log-probabilities that differ by less than this."""


@dataclass
class Beams:
    """The unfinished hypotheses of B sentences, in at most K slots per sentence."""

    sentences: Tensor  # (B,) int64, row of each sentence in the batch
    log_probs: Tensor  # (B, K), minus infinity in empty slots
    tokens: Tensor  # (B, K, t) int64, the words generated so far
    free_slots: Tensor  # (B,) int64, number of unfinished hypotheses that a sentence may still have
    coverage: Tensor | None  # (B, K, S), attention summed over the steps; None without a coverage penalty

    def take(self, rows: Tensor, slots: Tensor) -> Beams:
        """The selected hypotheses. rows: (M,) of the B sentences; slots: (M, J) of the K slots."""
        index = rows.unsqueeze(1), slots
        coverage = None if self.coverage is None else self.coverage[index]
        return Beams(self.sentences[rows], self.log_probs[index], self.tokens[index], self.free_slots[rows], coverage)


@dataclass(frozen=True)
class Choice:
    """The continuations chosen at one step, most probable first."""

    origins: Tensor  # (B, K) int64, slot of the hypothesis that is continued
    words: Tensor  # (B, K) int64
    log_probs: Tensor  # (B, K), minus infinity in unused slots
    near_tie: Tensor  # (B,) bool, whether rounding could have decided which continuation was chosen last


def choose(log_probs: Tensor, word_log_probs: Tensor, free_slots: Tensor) -> Choice:
    """The most probable continuations of each sentence.

    Args:
        log_probs: (B, K), log-probabilities of the unfinished hypotheses.
        word_log_probs: (B * K, V), log-probabilities of the next words.
        free_slots: (B,) int64, number of continuations to choose per sentence.
    """
    count = int(free_slots.max())
    values, words = topk_words(word_log_probs, min(count + 1, word_log_probs.shape[1]))
    totals = (log_probs.unsqueeze(2) + values.view(*log_probs.shape, -1)).flatten(1)
    log_prob_sums, flat_index = totals.topk(min(count + 1, totals.shape[1]), 1)
    # One more than needed, padded with minus infinity, to measure the gap to the first rejected continuation.
    padded = torch.nn.functional.pad(log_prob_sums, (0, count + 1 - log_prob_sums.shape[1]), value=NEG_INF)
    last_chosen, first_rejected = (
        padded.gather(1, index.unsqueeze(1)).squeeze(1) for index in (free_slots - 1, free_slots)
    )
    log_prob_sums, flat_index = log_prob_sums[:, :count], flat_index[:, :count]
    unused = torch.arange(log_prob_sums.shape[1], device=log_prob_sums.device) >= free_slots.unsqueeze(1)
    return Choice(
        origins=flat_index // values.shape[1],
        words=words.view(len(free_slots), -1).gather(1, flat_index),
        log_probs=log_prob_sums.masked_fill(unused, NEG_INF),
        near_tie=last_chosen - first_rejected < MARGIN,
    )


class BatchDecoder:
    """A search for the translations of one batch.

    Args:
        model: in evaluation mode.
        src: the source sentences.
        options: decoding options.
        prefix: (B, P) int64, forced first words of each hypothesis, padded with ``PAD``; None for no prefix.
    """

    def __init__(
        self, model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None
    ) -> None:
        self.model, self.src, self.options = model, src, options
        self.limits = Limits(src, options, prefix)
        count, device = len(src.lengths), src.ids.device
        slots = options.nbest if options.samples else options.beam
        self.finished = Finished(count, slots, int(self.limits.max_lengths.max()), device)
        self.near_tie = torch.zeros(count, dtype=torch.bool, device=device)

    def run(self) -> NBest:
        """The ``nbest`` hypotheses of each sentence in descending order of score."""
        raise NotImplementedError


class BeamSearch(BatchDecoder):
    """Beam search of one batch; see ``BatchDecoder`` for the arguments."""

    def __init__(
        self, model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None
    ) -> None:
        super().__init__(model, src, options, prefix)
        self.mask = src.mask()
        self._shortest_limit = int(self.limits.max_lengths.min())
        # The length penalty never decreases with length, so the maximum length has the largest divisor.
        self.largest_penalty = length_penalty(self.limits.max_lengths, options)

    def run(self) -> NBest:
        beams = self._start()
        memory = self.model.encode(self.src)
        state = self.model.init(memory)
        words = torch.full_like(beams.sentences, BOS)
        while True:
            width = len(words) // len(beams.sentences)
            stepped = self.model.step(words, state, memory)
            beams, origins = self._extend(beams, stepped.logits, stepped.attention)
            state = stepped.state
            if self._all_continue(beams):
                if self.options.beam > 1:
                    all_rows = torch.arange(len(origins), device=origins.device).unsqueeze(1)
                    state = self.model.reorder(state, (all_rows * width + origins).flatten())
            else:
                rows, slots = self._advance_beams(beams)
                if not len(rows):
                    break
                origin_rows = rows.unsqueeze(1) * width + origins[rows.unsqueeze(1), slots]
                state = self.model.reorder(state, origin_rows.flatten())
                if len(rows) < len(beams.sentences):
                    memory = self.model.select(memory, rows)
                beams = beams.take(rows, slots)
            words = beams.tokens[:, :, -1].flatten()
        return self.finished.best(self.options.nbest, self.near_tie, MARGIN)

    def _start(self) -> Beams:
        count, device = len(self.src.lengths), self.src.ids.device
        return Beams(
            sentences=torch.arange(count, device=device),
            log_probs=torch.zeros(count, 1, device=device),
            tokens=torch.zeros(count, 1, 0, dtype=torch.long, device=device),
            free_slots=torch.full((count,), self.options.beam, device=device),
            coverage=torch.zeros(count, 1, self.src.ids.shape[1], device=device) if self.options.coverage else None,
        )

    def _extend(self, beams: Beams, logits: Tensor, attention: Tensor | None) -> tuple[Beams, Tensor]:
        """The hypotheses extended by one word, and the slots they were in: (B, K)."""
        width = beams.log_probs.shape[1]
        log_probs = torch.log_softmax(logits.float(), 1)
        sentences = beams.sentences if width == 1 else beams.sentences.repeat_interleave(width)
        self.limits.apply(log_probs, beams.tokens.flatten(0, 1), sentences)
        choice = choose(beams.log_probs, log_probs, beams.free_slots)
        self.near_tie[beams.sentences] |= choice.near_tie
        coverage = self._add_coverage(beams.coverage, attention)
        extended = Beams(beams.sentences, beams.log_probs, beams.tokens, beams.free_slots, coverage)
        if self.options.beam > 1:
            extended = extended.take(torch.arange(len(beams.sentences), device=log_probs.device), choice.origins)
        extended.log_probs = choice.log_probs
        extended.tokens = torch.cat([extended.tokens, choice.words.unsqueeze(2)], 2)
        return extended, choice.origins

    def _add_coverage(self, coverage: Tensor | None, attention: Tensor | None) -> Tensor | None:
        if coverage is None:
            return None
        if attention is None:
            raise UserError(f"coverage is {self.options.coverage}, but the model has no attention: leave it out.")
        return coverage + attention.view_as(coverage)

    def _all_continue(self, beams: Beams) -> bool:
        """A cheap test that no hypothesis ends or is pruned at this step, which holds at most steps."""
        if beams.tokens.shape[2] >= self._shortest_limit or (self.options.beam > 1 and self.finished.nonempty):
            return False
        return not bool(((beams.tokens[:, :, -1] == EOS) | (beams.log_probs == NEG_INF)).any())

    def _advance_beams(self, beams: Beams) -> tuple[Tensor, Tensor]:
        """Stores ended hypotheses; returns the sentences (M,) and slots (M, J) of those that continue."""
        occupied = beams.log_probs > NEG_INF
        length = beams.tokens.shape[2]
        ended = occupied & (
            (beams.tokens[:, :, -1] == EOS) | (length >= self.limits.max_lengths[beams.sentences]).unsqueeze(1)
        )
        if ended.any():
            self._store_finished(beams, ended)
        beams.free_slots -= ended.sum(1)
        beams.log_probs.masked_fill_(ended | ~self._can_win(beams), NEG_INF)
        alive = beams.log_probs > NEG_INF
        count = alive.sum(1)
        rows = count.nonzero().squeeze(1)
        if not len(rows):
            return rows, rows.unsqueeze(1)
        slots = alive[rows].int().argsort(stable=True, dim=1, descending=True)[:, : int(count.max())]
        return rows, slots

    def _store_finished(self, beams: Beams, ended: Tensor) -> None:
        length = torch.tensor(beams.tokens.shape[2], device=ended.device)
        scores = beams.log_probs / length_penalty(length, self.options)
        if beams.coverage is not None:
            mask = self.mask[beams.sentences].unsqueeze(1)
            scores = scores + coverage_penalty(beams.coverage, mask, self.options.coverage)
        slots = (self.options.beam - beams.free_slots).unsqueeze(1) + ended.cumsum(1) - 1
        self.finished.add(
            beams.sentences[ended.nonzero()[:, 0]],
            slots[ended],
            scores[ended],
            beams.log_probs[ended],
            beams.tokens[ended],
        )

    def _can_win(self, beams: Beams) -> Tensor:
        """(B, K) bool, whether a hypothesis can still reach the n-best list.

        More words never increase a log-probability, and the coverage penalty is at most 0. The final score is therefore
        at most the current log-probability divided by the largest length penalty. Neither a hypothesis below the
        threshold nor any of its continuations can reach the n-best list.
        """
        upper_bounds = beams.log_probs / self.largest_penalty[beams.sentences].unsqueeze(1)
        return upper_bounds > self.finished.threshold(beams.sentences, self.options.nbest).unsqueeze(1) - 2 * MARGIN
