"""Sampled softmax: cross entropy over words sampled at each step, for training with a large vocabulary (Jean et al.
2015, "On using very large target vocabulary for neural machine translation", arXiv:1412.2007).

Only the sum ``Z = sum_v exp(s_v)`` of a softmax depends on all words. Sample each word v independently with probability
``c_v``, and the batch's targets with probability 1. Then the sum of ``exp(s_v) / c_v`` over the sampled words is an
unbiased estimate of Z for any probabilities (Horvitz and Thompson 1952). They fall with the rank of a word, as
frequencies do (Zipf), so that frequent words are always sampled. The estimate of ``log Z`` is biased low, less so with
more words. On a GPU the number of sampled words is synchronised once per step.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from seqvise.models.softmax.chunked import linear_cross_entropy


def sampled_cross_entropy(
    outputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    count: int,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """An estimate of the sum over rows of ``-log softmax(W outputs + b)[target]``, from few words.

    The gradient is zero for words that are neither sampled nor a target. Arguments other than these are those of
    ``linear_cross_entropy``.

    Args:
        weight: (V, D), the rows of frequent words first.
        count: expected number of sampled words, without the targets; V or more is the exact loss.
    """
    vocab_size = weight.shape[0]
    if count >= vocab_size:
        return linear_cross_entropy(outputs, weight, bias, targets, chunk=chunk, dtype=dtype)
    probabilities = _sampling_probabilities(vocab_size, count, weight.device).index_fill(0, targets, 1.0)
    words = (torch.rand_like(probabilities) < probabilities).nonzero().squeeze(1)
    corrected_bias = bias.index_select(0, words).float() - probabilities.index_select(0, words).log()
    positions = torch.searchsorted(words, targets)
    weight_rows = weight.index_select(0, words)
    return linear_cross_entropy(outputs, weight_rows, corrected_bias, positions, chunk=chunk, dtype=dtype)


@lru_cache(maxsize=8)
def _sampling_probabilities(vocab_size: int, count: int, device: torch.device) -> Tensor:
    """``min(1, f / rank)`` of each word, (V,) float32, with f such that they add up to count < V."""
    ranks = np.arange(1, vocab_size + 1, dtype=np.float64)
    low, high = 0.0, float(vocab_size)
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(1.0, middle / ranks).sum() < count else (low, middle)
    return torch.from_numpy(np.minimum(1.0, high / ranks)).float().to(device)
