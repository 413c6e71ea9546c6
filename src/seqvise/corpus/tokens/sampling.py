"""Training sentences whose sub-words are drawn anew each epoch (Kudo 2018, arXiv:1804.10959)."""

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
    """The lines of a UTF-8 text file, mapped, each read when it is asked for."""

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
    """One side of the training part, in segmentations that (seed, epoch, row) decide.

    Attributes:
        codec: of the side.
        lines: its raw text.
        alpha: see ``Pieces.sample``.
        seed: of the draws.
        most: ids of a sentence at most, ``EOS`` counted; None where the store cuts none.
    """

    codec: TextCodec
    lines: Lines
    alpha: float
    seed: int
    most: int | None

    def draw(self, epoch: int, row: int) -> NDArray[np.int32]:
        """The sentence's ids in that epoch, ``EOS`` at the end."""
        return self.codec.sample(self.lines[row], self.alpha, _mixed(self.seed, epoch, row), self.most)


def _mixed(*numbers: int) -> int:
    """32 bits that differ for neighbouring numbers."""
    packed = struct.pack(f"<{len(numbers)}q", *numbers)
    return int.from_bytes(blake2b(packed, digest_size=4).digest(), "little")
