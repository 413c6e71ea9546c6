"""A file that is not whole yet, which a later attempt goes on with."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path

from seqvise.files import write_text


@dataclass(frozen=True)
class Version:
    """Which content of an address the bytes are of.

    Attributes:
        url: the address.
        size: bytes of the whole.
        etag: the server's name of the content.
        modified: when it was last changed, as the server writes it.
    """

    url: str
    size: int
    etag: str | None = None
    modified: str | None = None

    @staticmethod
    def of(url: str, size: int, headers: Message) -> Version:
        """What a response says."""
        return Version(url, size, headers.get("ETag"), headers.get("Last-Modified"))

    @property
    def validator(self) -> str | None:
        """What `If-Range` may be asked with (RFC 9110, 13.1.5); None where halves could be of two contents."""
        strong = self.etag is not None and not self.etag.startswith("W/")
        return self.etag if strong else self.modified

    def agrees(self, other: Version) -> bool:
        """Whether two responses can be of one content: nothing that both say differs."""
        mine, theirs = asdict(self), asdict(other)
        return not any(mine[key] != theirs[key] for key in mine if None not in (mine[key], theirs[key]))


class Partial:
    """``<name>.part`` beside the file that it becomes, and ``<name>.part.json`` with the version of its bytes."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    def version(self, url: str) -> Version | None:
        """The version of the bytes that are there; None where one cannot go on with them."""
        try:
            known = Version(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        whole = self.done() <= known.size if isinstance(known.size, int) else False
        return known if whole and known.url == url and known.validator is not None else None

    def done(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, version: Version) -> None:
        """Empties the file; what is written from now on is of this version."""
        self.path.write_bytes(b"")  # first: bytes of another version must never stand beside this note
        write_text(self._note, json.dumps(asdict(version), indent=2) + "\n")

    def remove(self) -> None:
        """Removes the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Gives the file its name, once it is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)
