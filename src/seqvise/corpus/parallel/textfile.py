"""Reads bytes of text from plain and gzip files, members of tar archives and standard input."""

from __future__ import annotations

import gzip
import lzma
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from seqvise.errors import UserError

BLOCK = 1 << 18
_CUT = b"."
_IN_ARCHIVE = re.compile(r"(.+?\.(?:tar|tgz|tbz2|txz|tar\.(?:gz|bz2|xz))):(.+)")
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class TextFile:
    """Text that can be read from its start any number of times.

    Attributes:
        path: the file, or the archive that contains it. Files ending in ``.gz`` are decompressed while they are read.
        member: name of the file in the archive; None for a plain file.
        stream: an open file that is read instead, since a pipe can be read only once; ``path`` is then just a name.
    """

    path: Path
    member: str | None = None
    stream: BinaryIO | None = None

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"

    def exists(self) -> bool:
        """Whether the file exists and, for an archive, contains the member.

        Raises:
            UserError: the archive cannot be read.
        """
        if self.member is None or not self.path.is_file():
            return self.path.is_file()
        with self._damage_as_user_error(), tarfile.open(self.path) as archive:
            return _member(archive, self.member) is not None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes, decompressed.

        Raises:
            UserError: they cannot be read; also raised by a later read in the block.
        """
        with self._damage_as_user_error(), ExitStack() as files:
            yield self._opened(files)

    def blocks(self, max_bytes: int | None = None) -> Iterator[bytes]:
        """The bytes in blocks of complete lines.

        Args:
            max_bytes: maximum bytes of a line that are read beyond the block in which it begins. The rest of a longer
                line is skipped and replaced by ``max_bytes`` full stops, so that the line stays too long.

        Raises:
            UserError: the text is UTF-16 (its line feeds are not single bytes), its lines end with carriage returns
                alone, or it cannot be read.
        """
        with self.open() as file:
            for block in self._read(file):
                yield block if block.endswith(b"\n") else _with_rest_of_line(block, file, max_bytes)

    def count_lines(self) -> int:
        """Number of lines, including a last line without line feed.

        Raises:
            UserError: as ``blocks``.
        """
        lines, last = 0, b"\n"
        with self.open() as file:
            for block in self._read(file):
                lines += block.count(b"\n")
                last = block[-1:]
        return lines + (last != b"\n")

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        block = file.read(BLOCK)
        if block.startswith(_UTF16):
            raise UserError(f"{self} is UTF-16: convert it, for example with `iconv -f UTF-16 -t UTF-8`.")
        refuse_returns(block, str(self))
        while block:
            yield block
            block = file.read(BLOCK)

    @contextmanager
    def _damage_as_user_error(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGED as error:
            kind = "gzip file" if self.member is None else "archive"
            raise UserError(f"{self} is not a complete {kind} ({error}): download it again.") from None
        except OSError as error:
            raise UserError(f"{self} cannot be read: {error.strerror or error}.") from None

    def _opened(self, files: ExitStack) -> IO[bytes]:
        if self.stream is not None:
            self.stream.seek(0)
            return self.stream
        if self.member is None:
            file: IO[bytes] = files.enter_context(self.path.open("rb"))
        else:
            file = self._member_of(files.enter_context(tarfile.open(self.path)))  # noqa: SIM115 - the stack closes it
        zipped = (self.member or self.path.name).endswith(".gz")
        return files.enter_context(cast(IO[bytes], gzip.open(file))) if zipped else file

    def _member_of(self, archive: tarfile.TarFile) -> IO[bytes]:
        file = _member(archive, self.member or "")
        if file is None:
            raise FileNotFoundError(f"the archive has no file '{self.member}'")
        return file


def refuse_returns(block: bytes, name: str) -> None:
    """Refuses text whose lines end with carriage returns alone, as on old Macs: it would be read as one line.

    Args:
        block: the start of the text. A carriage return at its end is ignored, since a line feed may follow.
        name: name of the text, for the message.

    Raises:
        UserError: there are more carriage returns without a line feed than line feeds.
    """
    start = block.rstrip(b"\r")
    if start.count(b"\r") - start.count(b"\r\n") > start.count(b"\n"):
        raise UserError(f"{name} ends its lines with carriage returns: convert it, for example with `tr '\\r' '\\n'`.")


def find_text(root: Path, name: str) -> TextFile | None:
    """The file ``name`` or ``name.gz`` in a folder; None if neither exists.

    ``archive.tar.gz:folder/file`` names a file in an archive. It is read from the archive: nothing is unpacked.

    Raises:
        UserError: the archive cannot be read.
    """
    for candidate in (name, f"{name}.gz"):
        match = _IN_ARCHIVE.fullmatch(candidate)
        file = TextFile(root / candidate) if match is None else TextFile(root / match[1], match[2])
        if file.exists():
            return file
    return None


def archive_of(root: Path, name: str) -> Path | None:
    """The archive in a name such as ``archive.tar.gz:folder/file``; None for a plain file."""
    match = _IN_ARCHIVE.fullmatch(name)
    return None if match is None else root / match[1]


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes] | None:
    normalised = posixpath.normpath(name)
    for member in archive:
        if member.isfile() and posixpath.normpath(member.name) == normalised:
            return archive.extractfile(member)
    return None


def _with_rest_of_line(block: bytes, file: IO[bytes], max_bytes: int | None) -> bytes:
    rest = file.readline(-1 if max_bytes is None else max_bytes)
    if max_bytes is None or len(rest) < max_bytes or rest.endswith(b"\n"):
        return block + rest
    while (skipped := file.readline(BLOCK)) and not skipped.endswith(b"\n"):
        pass
    return _complete_characters(block) + _CUT * max_bytes + b"\n"


def _complete_characters(text: bytes) -> bytes:
    """The text without its last character, which may be incomplete."""
    end = len(text) - 1
    while end > len(text) - 4 and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]
