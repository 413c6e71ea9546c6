"""Cross entropy over words drawn anew at each step, for training with a large vocabulary (Jean et al. 2015, "On using
very large target vocabulary for neural machine translation", arXiv:1412.2007).

Of a softmax only the sum ``Z = sum_v exp(s_v)`` reads all words. Let each word v be drawn with a chance ``c_v`` of its
own, and the batch's targets with chance 1: ``sum of exp(s_v) / c_v over the drawn words`` is Z on average, whatever the
chances (Horvitz and Thompson 1952). They fall with a word's rank, as frequencies do (Zipf), so that frequent words are
always there. ``log Z`` comes out somewhat low on average, less so the more words are drawn. How many words are drawn
is waited for, once a step, where another device draws them.
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

    Args:
        outputs: (N, D).
        weight: (V, D), the rows of frequent words first.
        bias: (V,).
        targets: (N,) int64.
        count: words drawn on average, the targets not counted; V or more is the whole sum.
        chunk, dtype: as of ``linear_cross_entropy``.

    Returns:
        A scalar, float32. Its gradient is zero for words that are neither drawn nor a target.
    """
    words = weight.shape[0]
    if count >= words:
        return linear_cross_entropy(outputs, weight, bias, targets, chunk=chunk, dtype=dtype)
    chances = _chances(words, count, weight.device).index_fill(0, targets, 1.0)
    drawn = (torch.rand_like(chances) < chances).nonzero().squeeze(1)
    corrected = bias.index_select(0, drawn).float() - chances.index_select(0, drawn).log()
    places = torch.searchsorted(drawn, targets)
    return linear_cross_entropy(outputs, weight.index_select(0, drawn), corrected, places, chunk=chunk, dtype=dtype)


@lru_cache(maxsize=8)
def _chances(words: int, count: int, device: torch.device) -> Tensor:
    """``min(1, f / rank)`` of each word, (V,) float32, with the f by which they add up to count < V."""
    ranks = np.arange(1, words + 1, dtype=np.float64)
    low, high = 0.0, float(words)
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(1.0, middle / ranks).sum() < count else (low, middle)
    return torch.from_numpy(np.minimum(1.0, high / ranks)).float().to(device)
