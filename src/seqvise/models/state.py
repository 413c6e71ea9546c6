"""What the recurrent decoder reads, and what it carries from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from seqvise.models.layers import LayerState


@dataclass(frozen=True)
class Memory:
    """What the decoder reads of the source.

    Attributes:
        start: for each decoder layer (B, H), where its state begins.
        outputs: (B, S, M), the encoder's outputs, or None where the model has no attention.
        keys: (B, S, A), their projection, or None likewise.
        mask: (B, S) bool, true at real steps.
    """

    start: tuple[Tensor, ...]
    outputs: Tensor | None
    keys: Tensor | None
    mask: Tensor

    def rows(self, rows: Tensor) -> Memory:
        """The memory of the chosen sentences. rows: (M,) int64, repeats allowed."""
        # Three to nine times as fast on a CPU as part[rows].
        return Memory(
            tuple(part.index_select(0, rows) for part in self.start),
            None if self.outputs is None else self.outputs.index_select(0, rows),
            None if self.keys is None else self.keys.index_select(0, rows),
            self.mask.index_select(0, rows),
        )


class DecoderState(NamedTuple):
    """What a step hands to the next.

    Attributes:
        layers: the state of each layer, the lowest first.
        fed: (N, D), the last output, alone in a tuple that is empty without input feeding.
    """

    layers: tuple[LayerState, ...]
    fed: tuple[Tensor, ...]

    def rows(self, rows: Tensor) -> DecoderState:
        """The state of the chosen rows. rows: (M,) int64, repeats allowed."""
        layers = tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers)
        return DecoderState(layers, tuple(part.index_select(0, rows) for part in self.fed))


class Stepped(NamedTuple):
    """One step's output (N, D) before the projection, the state after it, and the attention (N, S) or None."""

    output: Tensor
    state: DecoderState
    attention: Tensor | None
