"""Incomplete downloads, which a later attempt resumes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path

from seqvise.files import write_text


@dataclass(frozen=True)
class Version:
    """Version of the content at an address.

    Attributes:
        size: size of the complete file in bytes.
        etag: the ``ETag`` header.
        modified: the ``Last-Modified`` header.
    """

    url: str
    size: int
    etag: str | None = None
    modified: str | None = None

    @staticmethod
    def of(url: str, size: int, headers: Message) -> Version:
        """The version in the headers of a response."""
        return Version(url, size, headers.get("ETag"), headers.get("Last-Modified"))

    @property
    def validator(self) -> str | None:
        """The validator for `If-Range` (RFC 9110, 13.1.5); None if different versions could not be distinguished."""
        strong = self.etag is not None and not self.etag.startswith("W/")
        return self.etag if strong else self.modified

    def agrees(self, other: Version) -> bool:
        """Whether two versions can be of the same content: no value that both have differs."""
        first, second = asdict(self), asdict(other)
        return not any(first[key] != second[key] for key in first if None not in (first[key], second[key]))


class Partial:
    """A partial file ``<name>.part``, and ``<name>.part.json`` with its version. target: path of the complete file."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._version_file = target.with_name(f"{target.name}.part.json")

    def version(self, url: str) -> Version | None:
        """The version of the partial file; None if it cannot be resumed."""
        try:
            known = Version(**json.loads(self._version_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        plausible = self.done() <= known.size if isinstance(known.size, int) else False
        return known if plausible and known.url == url and known.validator is not None else None

    def done(self) -> int:
        """Number of bytes in the partial file."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, version: Version) -> None:
        """Empties the partial file and records the version of the bytes that will be written."""
        self.path.write_bytes(b"")  # first, so that the recorded version never belongs to older bytes
        write_text(self._version_file, json.dumps(asdict(version), indent=2) + "\n")

    def remove(self) -> None:
        """Removes the partial file and its version."""
        self.path.unlink(missing_ok=True)
        self._version_file.unlink(missing_ok=True)

    def finish(self) -> None:
        """Flushes the file to the disk and renames it to its target."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._version_file.unlink(missing_ok=True)
