"""The likeliest of many words, without sorting them."""

from __future__ import annotations

import torch
from torch import Tensor

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
