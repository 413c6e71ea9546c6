"""Which steps of a training batch read the reference."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_forcing(rows: int, steps: int, ratio: float, draw: str) -> Tensor | None:
    """True where a step reads the reference's word: (B, T) bool on the CPU, or None where all of them do.

    Args:
        rows: sentences.
        steps: target steps.
        ratio: the chance of each draw to read the reference, 0 to 1.
        draw: once a time ``step`` for the whole batch (the lesson's), once a ``sentence``, or once a ``token``.
    """
    if ratio >= 1:
        return None
    shape = {"step": (1, steps), "sentence": (rows, 1), "token": (rows, steps)}[draw]
    return (torch.rand(shape) < ratio).expand(rows, steps)
