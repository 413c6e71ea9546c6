"""Files at public addresses, and helpers for sizes and disk space."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seqvise.errors import UserError


def require_space(folder: Path, needed: int, what: str) -> None:
    """Checks the free disk space in advance. what: name of the file, for the message.

    Raises:
        UserError: fewer than ``needed`` bytes are free in the folder.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{what} needs {format_size(needed)} in {folder}, but only {format_size(free)} are free: free some space, "
            "or use another folder."
        )


def format_size(size: int) -> str:
    """Formats a number of bytes with decimal units, such as 2.6 GB."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{size} bytes" if unit == "B" else f"{amount:.1f} {unit}"


ProgressCallback = Callable[[str, int, int | None], None]
"""Receives the task ("downloading ..."), the bytes done so far, and the total; None if the total is not known."""


@dataclass(frozen=True)
class Source:
    """A file on a server.

    Attributes:
        url: address; the last part of the path is the file name.
        files: resulting files in the folder: the file itself, or the extracted members of a ``.tar`` or ``.zip``, or
            the content of a ``.gz``.
        size: size in bytes, if known; else the size reported by the server is used.
        sha256: hexadecimal hash, if known; else the hash of the first download is recorded and used from then on.
        growth: approximate size of the extracted files relative to the archive; 0 if nothing is extracted.
    """

    url: str
    files: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    growth: float = 0.0

    @property
    def name(self) -> str:
        """The name of the file on the server."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def packed(self) -> bool:
        """Whether the files have to be unpacked."""
        return self.files != (self.name,)

    def manual_download(self, folder: Path) -> str:
        """The advice to download the file manually. folder: destination of the files."""
        return f"Download {self.url} manually to {folder / self.name} and run the command again."


def no_progress(task: str, done: int, total: int | None) -> None:
    """A ``ProgressCallback`` that does nothing."""
