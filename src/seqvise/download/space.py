"""Room on a disk, and how sizes are written."""

from __future__ import annotations

import shutil
from pathlib import Path

from seqvise.errors import UserError


def require_room(folder: Path, needed: int, what: str) -> None:
    """Refuses to start what cannot end.

    Raises:
        UserError: fewer than ``needed`` bytes are free in the folder.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{what} needs {in_words(needed)} in {folder}, but only {in_words(free)} are free there: make room, or "
            "choose another folder."
        )


def in_words(size: int) -> str:
    """Bytes as a person reads them, in steps of a thousand: 2.6 GB."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{size} bytes" if unit == "B" else f"{amount:.1f} {unit}"
