"""Position encodings: sinusoids added to the word vectors, or rotary embeddings of queries and keys."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqvise.models.transformer.options import TransformerOptions

BASE = 10_000.0
"""The longest wavelength is about 2 pi times so many positions."""


def angles(start: int, steps: int, width: int, device: torch.device) -> Tensor:
    """``p / 10000^(2 i / width)`` for ``steps`` positions p from ``start``: (steps, width / 2), float32."""
    frequencies = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(BASE) / width))
    return torch.arange(start, start + steps, device=device).unsqueeze(1) * frequencies


def sinusoids(start: int, steps: int, width: int, device: torch.device) -> Tensor:
    """Alternating sine and cosine of each angle: (steps, width), float32 (Vaswani et al. 2017, section 3.5)."""
    theta = angles(start, steps, width, device)
    return torch.stack([theta.sin(), theta.cos()], 2).flatten(1)


class Rotation(NamedTuple):
    """Rotation of queries and keys; it pairs number i of a head's first half with number i of its second half."""

    # cosines, sines: (T, 1, 1, d / 2), float32
    cosines: Tensor
    sines: Tensor

    def rotate(self, vectors: Tensor) -> Tensor:
        """Rotates each pair of each head by the angle of its position. vectors: (N, T, 2, H, d), Q and K."""
        first, second = vectors.chunk(2, -1)
        rotated = [first * self.cosines - second * self.sines, second * self.cosines + first * self.sines]
        return torch.cat(rotated, -1).to(vectors.dtype)


class Positions(nn.Module):
    """Base of the position encodings."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.head_width = options.embedding // options.heads

    def add_positions(self, vectors: Tensor, start: int) -> Tensor:
        """Word vectors (N, T, D) at positions from ``start``, with additive position encodings if there are any."""
        return vectors

    def rotation(self, start: int, steps: int, device: torch.device) -> Rotation | None:
        """The rotation of queries and keys in self-attention; None for additive encodings."""
        return None


class Sinusoidal(Positions):
    """Sinusoids added to the word vectors, without rotation."""

    def add_positions(self, vectors: Tensor, start: int) -> Tensor:
        encodings = sinusoids(start, vectors.shape[1], vectors.shape[2], vectors.device)
        return vectors + encodings.to(vectors.dtype)


class Rotary(Positions):
    """Rotated queries and keys (Su et al. 2021): position changes an attention score only through the distance."""

    def rotation(self, start: int, steps: int, device: torch.device) -> Rotation | None:
        theta = angles(start, steps, self.head_width, device)[:, None, None]
        return Rotation(theta.cos(), theta.sin())


POSITIONS: dict[str, type[Positions]] = {"sinusoidal": Sinusoidal, "rotary": Rotary}
