"""Constraints on the next word: hypothesis length, repeated n-grams and forced prefixes; and the score penalties."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import EOS, PAD, SourceBatch


def length_penalty(lengths: Tensor, options: DecodingOptions) -> Tensor:
    """The divisor of a log-probability; it never decreases with length.

    ``average``: ``|Y| ** alpha``; ``gnmt``: ``((5 + |Y|) / 6) ** alpha`` (Wu et al. 2016, equation 14); ``none``: 1.

    Args:
        lengths: (...) in words, including ``EOS``, at least 1.
        options: ``length_penalty`` and ``alpha`` are used.

    Returns:
        (...) float32.
    """
    counts = lengths.float()
    if options.length_penalty == "none":
        return torch.ones_like(counts)
    return (counts if options.length_penalty == "average" else (counts + 5) / 6) ** options.alpha


def coverage_penalty(coverage: Tensor, mask: Tensor, weight: float) -> Tensor:
    """``weight * sum_i log(min(sum_j a_ij, 1))``, never above zero (Wu et al. 2016, equation 14).

    Args:
        coverage: (..., S), attention of each source word, summed over all steps.
        mask: (..., S) bool, true at source words, false at padding.
        weight: beta of the paper.

    Returns:
        (...).
    """
    # Without the lower bound, a source word with no attention would score minus infinity instead of ranking low.
    log_coverage = coverage.clamp(1e-6, 1.0).log().masked_fill(~mask, 0.0)
    return weight * log_coverage.sum(-1)


NEG_INF = float("-inf")


def max_lengths(src: SourceBatch, options: DecodingOptions) -> Tensor:
    """Maximum hypothesis length per sentence, including ``EOS``: (B,) int64, at least 1."""
    limits = (src.lengths.float() * options.max_ratio).floor().long() + options.max_extra
    return limits.clamp(min=1, max=options.max_length)


def min_lengths(src: SourceBatch, options: DecodingOptions) -> Tensor:
    """Minimum number of words before ``EOS`` per sentence: (B,) int64."""
    limits = ((src.lengths - 1).float() * options.min_ratio).floor().long()
    return limits.clamp(min=options.min_length)


class Limits:
    """The constraints on the hypotheses of a batch.

    Args:
        src: the source sentences.
        options: the length options and ``block_ngrams`` are used.
        prefix: (B, P) int64, forced first words of each hypothesis, padded with ``PAD``; None for no prefix.

    Attributes:
        max_lengths: (B,) int64, including ``EOS``; raised where needed so that a prefix and one more word fit.
    """

    def __init__(self, src: SourceBatch, options: DecodingOptions, prefix: Tensor | None = None) -> None:
        self.max_lengths = max_lengths(src, options)
        self.prefix = prefix
        if prefix is not None:
            self.max_lengths = torch.maximum(self.max_lengths, (prefix != PAD).sum(1) + 1)
        self.min_lengths = torch.minimum(min_lengths(src, options), self.max_lengths - 1)
        self.ngrams = options.block_ngrams
        self._min_length_steps = int(self.min_lengths.max())

    def apply(self, log_probs: Tensor, tokens: Tensor, sentences: Tensor) -> None:
        """Masks forbidden next words: sets their log-probabilities to minus infinity, in place.

        Args:
            log_probs: (N, V).
            tokens: (N, t) int64, the words generated so far.
            sentences: (N,) int64, row of the batch that each hypothesis belongs to.
        """
        step = tokens.shape[1]
        log_probs[:, :EOS] = NEG_INF  # neither <bos> nor <pad>
        end = log_probs[:, EOS].clone() if 0 < self.ngrams <= step else None
        if step < self._min_length_steps:
            log_probs[:, EOS].masked_fill_(step < self.min_lengths[sentences], NEG_INF)
        if end is not None:
            block_repeats(log_probs, tokens, self.ngrams)
            # If every word is blocked, allow ``EOS`` regardless of the minimum length.
            stuck = log_probs.amax(1) == NEG_INF
            log_probs[:, EOS] = torch.where(stuck, end, log_probs[:, EOS])
        if self.prefix is not None and step < self.prefix.shape[1]:
            force(log_probs, self.prefix[sentences, step])


def block_repeats(log_probs: Tensor, tokens: Tensor, size: int) -> None:
    """Masks, in place, words that would repeat an n-gram.

    Args:
        log_probs: (N, V).
        tokens: (N, t) int64, the words generated so far, t at least ``size``.
        size: n, at least 1.
    """
    windows = tokens.unfold(1, size, 1)  # (N, t - n + 1, n)
    last = tokens[:, tokens.shape[1] - size + 1 :]  # (N, n - 1)
    repeated = (windows[:, :, :-1] == last.unsqueeze(1)).all(2)
    row, position = repeated.nonzero(as_tuple=True)
    log_probs[row, windows[row, position, -1]] = NEG_INF


def force(log_probs: Tensor, words: Tensor) -> None:
    """Masks, in place, every word but the forced one. words: (N,) int64, ``PAD`` where no word is forced."""
    rows = (words != PAD).nonzero().squeeze(1)
    forced = words[rows]
    scores = log_probs[rows, forced]
    log_probs[rows] = NEG_INF
    # The forced word stays possible even if the model gives it probability 0.
    log_probs[rows, forced] = scores.clamp(min=torch.finfo(scores.dtype).min / 1e6)
