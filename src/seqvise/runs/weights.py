"""Checkpoint files: tensors and plain values with a checksum. Does not import Lightning, which takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqvise.checksums import DamagedError, check_archive, stamp_archive
from seqvise.errors import UserError

REMEDY = "restore the file from a copy, or use another checkpoint or run."


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain values with a checksum, as ``torch.load`` and ``read_checkpoint`` read them."""
    # torch may leave a file that it opened itself open after an error, so that removing it would not free the disk.
    with path.open("wb") as file:
        torch.save(content, file)
    stamp_archive(path)


def read_checkpoint(path: Path, mmap: bool = False) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Args:
        mmap: whether tensors are memory-mapped instead of read.

    Raises:
        UserError: the file is damaged, or is not a checkpoint of tensors and plain values.
    """
    try:
        check_archive(path)
        content: dict[str, Any] = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
        return content
    except Exception as error:  # its type depends on which bytes are damaged
        reason = str(error) if isinstance(error, DamagedError) else f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{path} is not a complete weights-only checkpoint ({reason}): {REMEDY}") from error


def refuse_nan(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights that contain NaN.

    Raises:
        UserError: a tensor contains NaN; the message names it.
    """
    for name, weight in weights.items():
        # A finite sum rules out NaN, and is faster than testing each element. An infinite sum may also be an overflow.
        if weight.is_floating_point() and not bool(weight.sum().isfinite()) and bool(weight.isnan().any()):
            count = int(weight.isnan().sum())
            raise UserError(f"{path} is damaged: {count:,} of {weight.numel():,} numbers of {name} are NaN: {REMEDY}")
