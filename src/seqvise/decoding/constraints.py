"""Which words may be said next: lengths, repeated n-grams, and prefixes that are given."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import EOS, PAD, SourceBatch


def length_penalty(lengths: Tensor, options: DecodingOptions) -> Tensor:
    """The divisor of a log-probability, never smaller for a longer hypothesis.

    ``average``: ``|Y| ** alpha``; ``gnmt``: ``((5 + |Y|) / 6) ** alpha`` (Wu et al. 2016, equation 14); ``none``: 1.

    Args:
        lengths: (...) words, ``EOS`` included, at least 1.
        options: ``length_penalty`` and ``alpha`` are read.

    Returns:
        (...) float32.
    """
    words = lengths.float()
    if options.length_penalty == "none":
        return torch.ones_like(words)
    return (words if options.length_penalty == "average" else (words + 5) / 6) ** options.alpha


def coverage_penalty(looked: Tensor, mask: Tensor, weight: float) -> Tensor:
    """``weight * sum_i log(min(sum_j a_ij, 1))``, never above zero (Wu et al. 2016, equation 14).

    Args:
        looked: (..., S), how much attention each source word had over all steps.
        mask: (..., S) bool, true at real source words.
        weight: beta.

    Returns:
        (...).
    """
    # No attention at all would forbid the hypothesis instead of ranking it low.
    missing = looked.clamp(1e-6, 1.0).log().masked_fill(~mask, 0.0)
    return weight * missing.sum(-1)


NEVER = float("-inf")


def most_words(src: SourceBatch, options: DecodingOptions) -> Tensor:
    """The most words said for each sentence, ``EOS`` included: (B,) int64, at least 1."""
    most = (src.lengths.float() * options.max_ratio).floor().long() + options.max_extra
    return most.clamp(min=1, max=options.max_length)


def least_words(src: SourceBatch, options: DecodingOptions) -> Tensor:
    """The fewest words said for each sentence before ``EOS``: (B,) int64."""
    least = ((src.lengths - 1).float() * options.min_ratio).floor().long()
    return least.clamp(min=options.min_length)


class Limits:
    """What is allowed for the sentences of a batch.

    Args:
        src: the sources.
        options: lengths and ``block_ngrams`` are read.
        prefix: (B, P) int64, the words that each hypothesis begins with, then ``PAD``; None for none.

    Attributes:
        most: (B,), the most words said, ``EOS`` included; a prefix and one word more always fit.
    """

    def __init__(self, src: SourceBatch, options: DecodingOptions, prefix: Tensor | None = None) -> None:
        self.most = most_words(src, options)
        self.prefix = prefix
        if prefix is not None:
            self.most = torch.maximum(self.most, (prefix != PAD).sum(1) + 1)
        self.least = torch.minimum(least_words(src, options), self.most - 1)
        self.ngrams = options.block_ngrams
        self._least, self._prefixed = int(self.least.max()), 0 if prefix is None else prefix.shape[1]

    def apply(self, log_probs: Tensor, said: Tensor, sentences: Tensor) -> None:
        """Sets the log-probabilities of words that may not be said next to minus infinity, in place.

        Args:
            log_probs: (N, V).
            said: (N, t) int64, the words so far.
            sentences: (N,) int64, the sentence of each row, a row of the batch.
        """
        step = said.shape[1]
        log_probs[:, :EOS] = NEVER  # neither <bos> nor <pad>
        end = log_probs[:, EOS].clone() if 0 < self.ngrams <= step else None
        if step < self._least:
            log_probs[:, EOS].masked_fill_(step < self.least[sentences], NEVER)
        if end is not None:
            block_repeats(log_probs, said, self.ngrams)
            # Where no word is left the sentence ends, however short.
            stuck = log_probs.amax(1) == NEVER
            log_probs[:, EOS] = torch.where(stuck, end, log_probs[:, EOS])
        if self.prefix is not None and step < self._prefixed:
            force(log_probs, self.prefix[sentences, step])


def block_repeats(log_probs: Tensor, said: Tensor, size: int) -> None:
    """Forbids, in place, words that would say an n-gram a second time.

    Args:
        log_probs: (N, V).
        said: (N, t) int64, the words so far, t at least ``size``.
        size: n, at least 1.
    """
    windows = said.unfold(1, size, 1)  # (N, t - n + 1, n)
    last = said[:, said.shape[1] - size + 1 :]  # (N, n - 1)
    again = (windows[:, :, :-1] == last.unsqueeze(1)).all(2)
    row, place = again.nonzero(as_tuple=True)
    log_probs[row, windows[row, place, -1]] = NEVER


def force(log_probs: Tensor, words: Tensor) -> None:
    """Forbids, in place, every word but the given one. words: (N,) int64, ``PAD`` where all words are free."""
    rows = (words != PAD).nonzero().squeeze(1)
    given = words[rows]
    kept = log_probs[rows, given]
    log_probs[rows] = NEVER
    # A model that forbids the word itself has no say.
    log_probs[rows, given] = kept.clamp(min=torch.finfo(kept.dtype).min / 1e6)
