"""Poolings of a layer's outputs into one vector per sentence, from which the decoder starts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seqvise.models.recurrent.layers import last_step

Pooling = Callable[[Tensor, Tensor | None, Tensor], Tensor]
"""Outputs (B, S, H) of the forward and of the backward direction, or None, both in the order of the sentence, and
lengths (B,) without padding, to one vector per sentence: (B, P)."""


def pool_last(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The state after the last token, and of the backward direction after the first one."""
    final = last_step(forward, lengths)
    return final if backward is None else torch.cat([final, backward[:, 0]], 1)


def pool_mean(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The mean over all tokens except padding."""
    outputs = concat_directions(forward, backward)
    return (outputs * _is_real(outputs, lengths)).sum(1) / lengths.unsqueeze(1)


def pool_max(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """The elementwise maximum over all tokens except padding."""
    outputs = concat_directions(forward, backward)
    return outputs.masked_fill(~_is_real(outputs, lengths), float("-inf")).amax(1)


def pool_concat(forward: Tensor, backward: Tensor | None, lengths: Tensor) -> Tensor:
    """Last, maximum and mean, concatenated (Howard and Ruder 2018, section 3.3)."""
    return torch.cat([pool(forward, backward, lengths) for pool in (pool_last, pool_max, pool_mean)], 1)


def concat_directions(forward: Tensor, backward: Tensor | None) -> Tensor:
    """The outputs of both directions, concatenated: (B, S, 2H), or (B, S, H) without a backward direction."""
    return forward if backward is None else torch.cat([forward, backward], 2)


def _is_real(outputs: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(outputs.shape[1], device=outputs.device)
    return (steps < lengths.unsqueeze(1)).unsqueeze(2)


POOLINGS: dict[str, tuple[Pooling, int]] = {
    "last": (pool_last, 1),
    "mean": (pool_mean, 1),
    "max": (pool_max, 1),
    "concat_pool": (pool_concat, 3),
}
"""Name -> pooling, and the width of its result as a multiple of the layer's width."""
