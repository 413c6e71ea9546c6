"""Bytes of text wherever they lie: plain and gzip files, members of tar archives, standard input."""

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
    """Text that can be read from its start, as often as one likes.

    Attributes:
        path: the file, or the archive it lies in. What ends in ``.gz`` is unzipped on the way.
        member: its name in the archive; None where the file is no archive.
        stream: an open file to read instead, as a pipe can be read only once; ``path`` then only names it.
    """

    path: Path
    member: str | None = None
    stream: BinaryIO | None = None

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"

    def exists(self) -> bool:
        """Whether the file is there, and in it the member.

        Raises:
            UserError: the archive cannot be read.
        """
        if self.member is None or not self.path.is_file():
            return self.path.is_file()
        with self._damage_told(), tarfile.open(self.path) as archive:
            return _member(archive, self.member) is not None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes, unzipped.

        Raises:
            UserError: they cannot be read, also where this shows only on the way.
        """
        with self._damage_told(), ExitStack() as files:
            yield self._opened(files)

    def blocks(self, most: int | None = None) -> Iterator[bytes]:
        """The bytes in blocks of whole lines.

        Args:
            most: bytes of the longest line that is read on beyond the block it begins in. Of a longer one the rest is
                skipped, and as many full stops stand for it.

        Raises:
            UserError: the text is UTF-16, which has line feeds elsewhere, has carriage returns alone as line ends, or
                cannot be read.
        """
        with self.open() as file:
            for block in self._read(file):
                yield block if block.endswith(b"\n") else _with_rest_of_line(block, file, most)

    def count_lines(self) -> int:
        """Line feeds, and one more for a last line without.

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
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGED as error:
            kind = "gzip file" if self.member is None else "archive"
            raise UserError(f"{self} is not a whole {kind} ({error}): fetch it again.") from None
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
        block: the start of the text. A carriage return at its end counts for nothing: a line feed may follow.
        name: of the text, for the message.

    Raises:
        UserError: more carriage returns stand alone than there are line feeds.
    """
    start = block.rstrip(b"\r")
    if start.count(b"\r") - start.count(b"\r\n") > start.count(b"\n"):
        raise UserError(f"{name} ends its lines with carriage returns: convert it, for example with `tr '\\r' '\\n'`.")


def find_text(root: Path, name: str) -> TextFile | None:
    """The file of that name below a folder, or that name with ``.gz``; None where neither is there.

    ``archive.tar.gz:folder/file`` names a file in an archive. It is read where it lies: nothing is unpacked.

    Raises:
        UserError: the archive cannot be read.
    """
    for wanted in (name, f"{name}.gz"):
        inside = _IN_ARCHIVE.fullmatch(wanted)
        file = TextFile(root / wanted) if inside is None else TextFile(root / inside[1], inside[2])
        if file.exists():
            return file
    return None


def archive_of(root: Path, name: str) -> Path | None:
    """The archive that a name stands in, as of ``archive.tar.gz:folder/file``; None for a plain file."""
    inside = _IN_ARCHIVE.fullmatch(name)
    return None if inside is None else root / inside[1]


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes] | None:
    wanted = posixpath.normpath(name)
    for member in archive:
        if member.isfile() and posixpath.normpath(member.name) == wanted:
            return archive.extractfile(member)
    return None


def _with_rest_of_line(block: bytes, file: IO[bytes], most: int | None) -> bytes:
    rest = file.readline(-1 if most is None else most)
    if most is None or len(rest) < most or rest.endswith(b"\n"):
        return block + rest
    while (skipped := file.readline(BLOCK)) and not skipped.endswith(b"\n"):
        pass
    return _whole_characters(block) + _CUT * most + b"\n"


def _whole_characters(text: bytes) -> bytes:
    """The text without its last character, of which a part may be missing."""
    end = len(text) - 1
    while end > len(text) - 4 and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]
