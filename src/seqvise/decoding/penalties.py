"""What a hypothesis's log-probability becomes before hypotheses of different lengths are compared."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.decoding.options import DecodingOptions


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
