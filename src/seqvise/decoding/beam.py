"""Beam search over all sentences and hypotheses of a batch at once.

A sentence begins with as many places as the beam is wide. At each step the likeliest continuations of its hypotheses
take the places; one that ends leaves, and its place with it. So a beam of 1 is greedy decoding, and a beam as wide as
the space of all sentences misses none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.constraints import Limits, coverage_penalty, length_penalty
from seqvise.decoding.hypotheses import Finished, NBest
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.models.interface import BOS, EOS, SourceBatch, StepModel

BLOCK = 64
"""Words whose maximum is looked at first. A maximum without its place runs at the speed of memory."""
FEW = 32_768
"""Scores of which the plain search is over before the blocks are laid out."""


def best_words(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """What ``scores.topk(count, 1)`` gives, several times faster on a processor.

    The ``count`` largest scores lie in the ``count`` blocks with the largest maxima, or in the rest that fills none.

    Args:
        scores: (N, V).
        count: at most V.

    Returns:
        values and words, each (N, count), the largest value first.
    """
    blocks = scores.shape[1] // BLOCK
    if scores.device.type != "cpu" or blocks <= 2 * count or scores.numel() < FEW:
        values, words = scores.topk(count, 1)
        return values, words
    whole = blocks * BLOCK
    best = scores[:, :whole].unflatten(1, (blocks, BLOCK)).amax(2).topk(count, 1, sorted=False).indices
    inside = torch.arange(BLOCK, device=scores.device)
    columns = (best.unsqueeze(2) * BLOCK + inside).flatten(1)
    rest = torch.arange(whole, scores.shape[1], device=scores.device).expand(len(scores), -1)
    columns = torch.cat([columns, rest], 1)
    values, places = scores.gather(1, columns).topk(count, 1)
    return values, columns.gather(1, places)


MARGIN = 1e-4
"""Log-probabilities nearer than this may change places by rounding alone."""
NEVER = float("-inf")


@dataclass
class Beams:
    """The hypotheses of B sentences that have not ended, in at most K places a sentence.

    Attributes:
        sentences: (B,) int64, the rows of the batch that these are.
        log_probs: (B, K), minus infinity in empty places.
        tokens: (B, K, t) int64, what was said.
        places: (B,) int64, how many hypotheses a sentence may still have.
        looked: (B, K, S), attention summed over the steps; None where no penalty asks for it.
    """

    sentences: Tensor
    log_probs: Tensor
    tokens: Tensor
    places: Tensor
    looked: Tensor | None

    def take(self, rows: Tensor, slots: Tensor) -> Beams:
        """The chosen hypotheses. rows: (M,) of the B sentences; slots: (M, J) of the K places."""
        at = rows.unsqueeze(1), slots
        looked = None if self.looked is None else self.looked[at]
        return Beams(self.sentences[rows], self.log_probs[at], self.tokens[at], self.places[rows], looked)


@dataclass(frozen=True)
class Choice:
    """The continuations chosen at one step, the likeliest first.

    Attributes:
        origins: (B, K) int64, the place of the hypothesis that is continued.
        words: (B, K) int64.
        log_probs: (B, K), minus infinity where there is none.
        close: (B,) bool, whether rounding could have decided which is the last one chosen.
    """

    origins: Tensor
    words: Tensor
    log_probs: Tensor
    close: Tensor


def choose(log_probs: Tensor, word_log_probs: Tensor, places: Tensor) -> Choice:
    """The likeliest continuations of each sentence.

    Args:
        log_probs: (B, K), of the hypotheses so far.
        word_log_probs: (B * K, V), of the next words.
        places: (B,) int64, how many are chosen for each sentence.
    """
    wanted = int(places.max())
    values, words = best_words(word_log_probs, min(wanted + 1, word_log_probs.shape[1]))
    totals = (log_probs.unsqueeze(2) + values.view(*log_probs.shape, -1)).flatten(1)
    top, at = totals.topk(min(wanted + 1, totals.shape[1]), 1)
    # One more than is wanted, minus infinity where there is none, to see how near it came.
    padded = torch.nn.functional.pad(top, (0, wanted + 1 - top.shape[1]), value=NEVER)
    last, missed = (padded.gather(1, index.unsqueeze(1)).squeeze(1) for index in (places - 1, places))
    top, at = top[:, :wanted], at[:, :wanted]
    beyond = torch.arange(top.shape[1], device=top.device) >= places.unsqueeze(1)
    return Choice(
        origins=at // values.shape[1],
        words=words.view(len(places), -1).gather(1, at),
        log_probs=top.masked_fill(beyond, NEVER),
        close=last - missed < MARGIN,
    )


class BeamSearch:
    """One search.

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
        self.mask = src.mask()
        count, device = len(src.lengths), src.ids.device
        self._first_end = int(self.limits.most.min())
        self.finished = Finished(count, options.beam, int(self.limits.most.max()), device)
        self.close = torch.zeros(count, dtype=torch.bool, device=device)
        # The longest a hypothesis can get is where its log-probability is divided by the most.
        self.largest_penalty = length_penalty(self.limits.most, options)

    def run(self) -> NBest:
        """The best hypotheses of each sentence."""
        beams = self._start()
        memory = self.model.encode(self.src)
        state = self.model.init(memory)
        words = torch.full_like(beams.sentences, BOS)
        while True:
            width = len(words) // len(beams.sentences)
            stepped = self.model.step(words, state, memory)
            beams, origins = self._grow(beams, stepped.logits, stepped.attention)
            state = stepped.state
            if self._all_go_on(beams):
                if self.options.beam > 1:
                    everyone = torch.arange(len(origins), device=origins.device).unsqueeze(1)
                    state = self.model.reorder(state, (everyone * width + origins).flatten())
            else:
                rows, slots = self._settle(beams)
                if not len(rows):
                    break
                came_from = rows.unsqueeze(1) * width + origins[rows.unsqueeze(1), slots]
                state = self.model.reorder(state, came_from.flatten())
                if len(rows) < len(beams.sentences):
                    memory = self.model.select(memory, rows)
                beams = beams.take(rows, slots)
            words = beams.tokens[:, :, -1].flatten()
        return self.finished.best(self.options.nbest, self.close, MARGIN)

    def _start(self) -> Beams:
        count, device = len(self.src.lengths), self.src.ids.device
        return Beams(
            sentences=torch.arange(count, device=device),
            log_probs=torch.zeros(count, 1, device=device),
            tokens=torch.zeros(count, 1, 0, dtype=torch.long, device=device),
            places=torch.full((count,), self.options.beam, device=device),
            looked=torch.zeros(count, 1, self.src.ids.shape[1], device=device) if self.options.coverage else None,
        )

    def _grow(self, beams: Beams, logits: Tensor, attention: Tensor | None) -> tuple[Beams, Tensor]:
        """The hypotheses with one more word, and the places that they were in: (B, K)."""
        width = beams.log_probs.shape[1]
        log_probs = torch.log_softmax(logits.float(), 1)
        sentences = beams.sentences if width == 1 else beams.sentences.repeat_interleave(width)
        self.limits.apply(log_probs, beams.tokens.flatten(0, 1), sentences)
        chosen = choose(beams.log_probs, log_probs, beams.places)
        self.close[beams.sentences] |= chosen.close
        looked = self._look(beams.looked, attention)
        moved = Beams(beams.sentences, beams.log_probs, beams.tokens, beams.places, looked)
        if self.options.beam > 1:
            moved = moved.take(torch.arange(len(beams.sentences), device=log_probs.device), chosen.origins)
        moved.log_probs = chosen.log_probs
        moved.tokens = torch.cat([moved.tokens, chosen.words.unsqueeze(2)], 2)
        return moved, chosen.origins

    def _look(self, looked: Tensor | None, attention: Tensor | None) -> Tensor | None:
        if looked is None:
            return None
        if attention is None:
            raise UserError(f"coverage is {self.options.coverage}, but the model has no attention: leave it out.")
        return looked + attention.view_as(looked)

    def _all_go_on(self, beams: Beams) -> bool:
        """Whether no hypothesis ends at this step or is left out, by what is quickly seen; at most steps none does."""
        if beams.tokens.shape[2] >= self._first_end or (self.options.beam > 1 and self.finished.some):
            return False
        return not bool(((beams.tokens[:, :, -1] == EOS) | (beams.log_probs == NEVER)).any())

    def _settle(self, beams: Beams) -> tuple[Tensor, Tensor]:
        """Puts ended hypotheses away; the sentences (M,) and places (M, J) of those that go on."""
        there = beams.log_probs > NEVER
        said = beams.tokens.shape[2]
        ended = there & ((beams.tokens[:, :, -1] == EOS) | (said >= self.limits.most[beams.sentences]).unsqueeze(1))
        if ended.any():
            self._put_away(beams, ended)
        beams.places -= ended.sum(1)
        beams.log_probs.masked_fill_(ended | ~self._can_win(beams), NEVER)
        alive = beams.log_probs > NEVER
        count = alive.sum(1)
        rows = count.nonzero().squeeze(1)
        if not len(rows):
            return rows, rows.unsqueeze(1)
        slots = alive[rows].int().argsort(stable=True, dim=1, descending=True)[:, : int(count.max())]
        return rows, slots

    def _put_away(self, beams: Beams, ended: Tensor) -> None:
        length = torch.tensor(beams.tokens.shape[2], device=ended.device)
        scores = beams.log_probs / length_penalty(length, self.options)
        if beams.looked is not None:
            mask = self.mask[beams.sentences].unsqueeze(1)
            scores = scores + coverage_penalty(beams.looked, mask, self.options.coverage)
        places = (self.options.beam - beams.places).unsqueeze(1) + ended.cumsum(1) - 1
        self.finished.add(
            beams.sentences[ended.nonzero()[:, 0]],
            places[ended],
            scores[ended],
            beams.log_probs[ended],
            beams.tokens[ended],
        )

    def _can_win(self, beams: Beams) -> Tensor:
        """(B, K) bool, whether a hypothesis could still become one of those that are given.

        More words never make a log-probability larger, and the coverage penalty is at most 0, so no hypothesis ends
        with more than what it has now divided by the largest penalty it can get. One that is left out here could not
        have been given, nor could those that would have grown from it.
        """
        most = beams.log_probs / self.largest_penalty[beams.sentences].unsqueeze(1)
        return most > self.finished.threshold(beams.sentences, self.options.nbest).unsqueeze(1) - 2 * MARGIN


def beam_search(
    model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None = None
) -> NBest:
    """The best hypotheses that a beam finds. See ``BeamSearch`` for the arguments."""
    return BeamSearch(model, src, options, prefix).run()
