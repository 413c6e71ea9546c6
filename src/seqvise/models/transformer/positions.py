"""Where a word stands: sinusoids added to its vector, or queries and keys turned by an angle."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seqvise.models.transformer.options import TransformerOptions

LONGEST = 10_000.0
"""The slowest angle goes round once in about 2 pi times so many positions."""


def angles(start: int, steps: int, width: int, device: torch.device) -> Tensor:
    """``p / 10000^(2 i / width)`` for positions p from ``start`` on: (steps, width / 2), float32."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(LONGEST) / width))
    return torch.arange(start, start + steps, device=device).unsqueeze(1) * rates


def sinusoids(start: int, steps: int, width: int, device: torch.device) -> Tensor:
    """Sine and cosine of each angle in turn: (steps, width), float32 (Vaswani et al. 2017, section 3.5)."""
    found = angles(start, steps, width, device)
    return torch.stack([found.sin(), found.cos()], 2).flatten(1)


class Rotation(NamedTuple):
    """The angles of some positions; a pair is a number of a head's first half and its fellow of the second.

    Attributes:
        cosines, sines: (T, 1, 1, d / 2), float32.
    """

    cosines: Tensor
    sines: Tensor

    def turn(self, vectors: Tensor) -> Tensor:
        """Turns each pair of each head by its position's angle. vectors: (N, T, P, H, d), P kinds of H heads."""
        first, second = vectors.chunk(2, -1)
        turned = [first * self.cosines - second * self.sines, second * self.cosines + first * self.sines]
        return torch.cat(turned, -1).to(vectors.dtype)


class Positions(Protocol):
    """What the two sides ask of a way to tell positions."""

    def mark(self, vectors: Tensor, start: int) -> Tensor:
        """Word vectors (N, T, D) at positions from ``start`` on, as the first layer reads them."""
        ...

    def rotation(self, start: int, steps: int, device: torch.device) -> Rotation | None:
        """How queries and keys of self-attention are turned; None where they are not."""
        ...


class Sinusoidal(nn.Module):
    """Sinusoids added to the word vectors; nothing is turned."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()

    def mark(self, vectors: Tensor, start: int) -> Tensor:
        """The vectors (N, T, D) with the sinusoids of their positions added."""
        marks = sinusoids(start, vectors.shape[1], vectors.shape[2], vectors.device)
        return vectors + marks.to(vectors.dtype)

    def rotation(self, start: int, steps: int, device: torch.device) -> Rotation | None:
        """None."""
        return None


class Rotary(nn.Module):
    """Queries and keys turned (Su et al. 2021), so that a score depends on the distance alone; nothing is added."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.head_width = options.embedding // options.heads

    def mark(self, vectors: Tensor, start: int) -> Tensor:
        """The vectors (N, T, D) as they are."""
        return vectors

    def rotation(self, start: int, steps: int, device: torch.device) -> Rotation | None:
        """The angles of positions ``start`` to ``start + steps - 1``."""
        found = angles(start, steps, self.head_width, device)[:, None, None]
        return Rotation(found.cos(), found.sin())


POSITIONS: dict[str, type[Sinusoidal] | type[Rotary]] = {"sinusoidal": Sinusoidal, "rotary": Rotary}
