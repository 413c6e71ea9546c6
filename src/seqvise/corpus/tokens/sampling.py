"""Training sentences with sub-words sampled in each epoch (Kudo 2018, arXiv:1804.10959)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.codec import TextCodec

_BLOCK = 1 << 24


@dataclass(frozen=True)
class Lines:
    """The lines of a memory-mapped UTF-8 text file."""

    path: Path

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        start = self._ends[row - 1] + 1 if row else 0
        return self._bytes[start : self._ends[row]].tobytes().decode("utf-8")

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.memmap(self.path, np.uint8, mode="r")

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        starts = range(0, len(self._bytes), _BLOCK)
        return np.concatenate(
            [np.flatnonzero(self._bytes[start : start + _BLOCK] == ord("\n")) + start for start in starts]
        )


@dataclass(frozen=True)
class SampledColumn:
    """One side of the training part, in segmentations determined by (seed, epoch, row).

    Attributes:
        lines: raw text of the side.
        alpha: see ``Pieces.sample``.
        max_length: maximum length of a sentence in ids, with ``EOS``; None: no truncation.
    """

    codec: TextCodec
    lines: Lines
    alpha: float
    seed: int
    max_length: int | None

    def draw(self, epoch: int, row: int) -> NDArray[np.int32]:
        """The ids of a sentence in an epoch, with ``EOS`` at the end."""
        return self.codec.sample(self.lines[row], self.alpha, _draw_seed(self.seed, epoch, row), self.max_length)


def _draw_seed(*numbers: int) -> int:
    """A 32-bit hash of the numbers."""
    packed = struct.pack(f"<{len(numbers)}q", *numbers)
    return int.from_bytes(blake2b(packed, digest_size=4).digest(), "little")
