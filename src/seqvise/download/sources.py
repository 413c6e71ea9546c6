"""A file at a public address, and what is wanted of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

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


Watch = Callable[[str, int, int | None], None]
"""Told what is done ("fetching ..."), the bytes done so far and those in all, None where that is not known."""


@dataclass(frozen=True)
class Source:
    """A file that a server has.

    Attributes:
        url: its address; the last part of the path is its name.
        files: what it leaves in the folder: its own name where it is wanted as it is; else the members of the ``.tar``
            or ``.zip`` that are wanted, or what a ``.gz`` holds.
        size: bytes, where they are known beforehand; else what the server says counts.
        sha256: hexadecimal, where it is known; else that of the first download is recorded and counts from then on.
        growth: bytes that the wanted files take, roughly, for each byte of the archive.
    """

    url: str
    files: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    growth: float = 0.0

    @property
    def name(self) -> str:
        """The name of the file at the server."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def packed(self) -> bool:
        """Whether the files have to be unpacked."""
        return self.files != (self.name,)

    def by_hand(self, folder: Path) -> str:
        """A sentence on how a person does without this program. folder: where the files are wanted."""
        return f"Fetch {self.url} by hand, put it at {folder / self.name} and start again."


def ignore(task: str, done: int, total: int | None) -> None:
    """Watches nothing."""
