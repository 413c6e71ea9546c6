"""From a layer's outputs to one vector a sentence, where the decoder begins."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from seqvise.models.recurrent.layers import last_real


class Pooling(Protocol):
    """What the encoder asks of a pooling."""

    def __call__(self, ahead: Tensor, back: Tensor | None, lengths: Tensor) -> Tensor:
        """One vector a sentence: (B, P).

        Args:
            ahead: (B, S, H), outputs read forward, in the order of the sentence.
            back: (B, S, H), outputs read backward, in the order of the sentence, or None.
            lengths: (B,) real steps.
        """
        ...


def pool_last(ahead: Tensor, back: Tensor | None, lengths: Tensor) -> Tensor:
    """The state after the last real word, and reading backward after the first one."""
    final = last_real(ahead, lengths)
    return final if back is None else torch.cat([final, back[:, 0]], 1)


def pool_mean(ahead: Tensor, back: Tensor | None, lengths: Tensor) -> Tensor:
    """The mean over real words."""
    outputs = beside(ahead, back)
    return (outputs * _real(outputs, lengths)).sum(1) / lengths.unsqueeze(1)


def pool_max(ahead: Tensor, back: Tensor | None, lengths: Tensor) -> Tensor:
    """The largest of each number over real words."""
    outputs = beside(ahead, back)
    return outputs.masked_fill(~_real(outputs, lengths), float("-inf")).amax(1)


def pool_concat(ahead: Tensor, back: Tensor | None, lengths: Tensor) -> Tensor:
    """All three side by side (Howard and Ruder 2018, section 3.3)."""
    return torch.cat([pool(ahead, back, lengths) for pool in (pool_last, pool_max, pool_mean)], 1)


def beside(ahead: Tensor, back: Tensor | None) -> Tensor:
    """Both directions' outputs as one."""
    return ahead if back is None else torch.cat([ahead, back], 2)


def _real(outputs: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(outputs.shape[1], device=outputs.device)
    return (steps < lengths.unsqueeze(1)).unsqueeze(2)


POOLINGS: dict[str, tuple[Pooling, int]] = {
    "last": (pool_last, 1),
    "mean": (pool_mean, 1),
    "max": (pool_max, 1),
    "concat_pool": (pool_concat, 3),
}
"""By name, and how many times the layer's width the result is."""
