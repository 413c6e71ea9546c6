"""What passes from one recurrent layer to the next."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Joint(nn.Module):
    """``norm(output + input)``: a layer's output with a residual connection, normalised, or with either alone.

    Args:
        size: width of the output.
        residual: add the layer's input.
        norm: layer normalisation (Ba et al. 2016).
    """

    def __init__(self, size: int, residual: bool, norm: bool) -> None:
        super().__init__()
        self.combine = torch.add if residual else _output
        self.norm = nn.LayerNorm(size) if norm else None

    def forward(self, output: Tensor, given: Tensor) -> Tensor:
        """output, given: (..., H), what the layer gave and what it was given."""
        joined: Tensor = self.combine(output, given)
        return joined if self.norm is None else self.norm(joined)


def joints(widths: list[tuple[int, int]], residual: bool, norm: bool) -> nn.ModuleList:
    """A joint behind each layer.

    A residual connection spans each layer from the second on whose input is as wide as its output: the first one reads
    word vectors, which live in another space.

    Args:
        widths: of each layer's input and output.
        residual, norm: as in ``Joint``.
    """
    return nn.ModuleList(
        Joint(after, residual and index > 0 and before == after, norm) for index, (before, after) in enumerate(widths)
    )


def _output(output: Tensor, _: Tensor) -> Tensor:
    return output
