"""Checkpoints on the disk: there whole or not at all, and nothing but data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from typing_extensions import override

from seqvise.errors import UserError
from seqvise.files import atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file and renames, so that a full disk or a kill leaves the old one as it was."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: the folder cannot be written to, or the disk is full.
        """
        try:
            # A file of our own is closed before it is removed: one that torch left open would go on filling the disk.
            with atomic_write(Path(path)) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{path} cannot be written ({_reason(error)}); what was there is as it was. Make room, and go on with "
                f"resume={Path(path).parents[1]}."
            ) from error


def _reason(error: BaseException) -> str:
    """Why writing failed: the system's error where torch hides one behind its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200]
