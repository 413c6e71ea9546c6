"""Checkpoints on the disk: there whole or not at all, and nothing but data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric.plugins import TorchCheckpointIO
from typing_extensions import override

from seqvise.checksums import DamagedError, check_archive
from seqvise.errors import UserError
from seqvise.files import atomic_write
from seqvise.runs.weights import REMEDY, refuse_nan, write_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file and renames, so that a full disk or a kill leaves the old one as it was."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: the folder cannot be written to, or the disk is full.
        """
        try:
            with atomic_write(Path(path)) as temporary:
                write_checkpoint(checkpoint, temporary)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{path} cannot be written ({_reason(error)}); what was there is as it was. Make room, and go on with "
                f"resume={Path(path).parents[1]}."
            ) from error

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = lambda storage, _: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Raises:
            UserError: it is damaged, or has weights that are not finite.
        """
        try:
            check_archive(Path(path))
            content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        except DamagedError as error:
            raise UserError(f"{path} is damaged ({error}): {REMEDY}") from None
        refuse_nan(content.get("state_dict", {}), Path(path))
        return content


def _reason(error: BaseException) -> str:
    """Why writing failed: the system's error where torch hides one behind its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200]
