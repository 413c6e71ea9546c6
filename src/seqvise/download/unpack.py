"""Extracts selected members of an untrusted archive.

Paths in an archive are never used for writing. A member is selected by its exact name, must be a plain file, and is
written to the given folder under that name, atomically. Its size is counted; sizes in headers are not trusted.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from glob import escape
from io import BufferedReader, FileIO
from pathlib import Path
from typing import IO, TypeVar, cast

from seqvise.download.sources import ProgressCallback, format_size, no_progress, require_space
from seqvise.errors import UserError
from seqvise.files import atomic_write

CHUNK = 1 << 20
MAX_MEMBERS = 10_000
"""An archive with more members is refused."""
MAX_READ = 1 << 22
"""Maximum bytes of a header, or of the directory of a zip file."""
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, ValueError, LookupError, RuntimeError)
"""Exceptions of reading a damaged archive; NotImplementedError is a RuntimeError."""
_Member = TypeVar("_Member", tarfile.TarInfo, zipfile.ZipInfo)


class ArchiveError(UserError):
    """An archive is damaged, or contains members that are not allowed."""


def unpack(
    archive: Path, files: Sequence[str], folder: Path, max_bytes: int, progress: ProgressCallback = no_progress
) -> None:
    """Extracts files of a ``.tar``, ``.zip`` or ``.gz`` archive into a folder.

    Args:
        files: names of the members, which are also the names of the files; for a ``.gz`` a single name.
        max_bytes: maximum bytes of all files together.

    Raises:
        ArchiveError: the archive is truncated or damaged; lacks a member, or has it twice or as a link, device or
            folder; or the files exceed ``max_bytes``. Files that are already complete are kept.
        UserError: the disk is full.
    """
    remaining = max_bytes
    for name in files:
        target = folder / name
        remove_remains(folder, name)
        with closing(_chunks(archive, name, remaining, folder, progress)) as chunks, atomic_write(target) as temporary:
            with temporary.open("wb") as file:
                file.writelines(chunks)
            remaining -= temporary.stat().st_size


def remove_remains(folder: Path, name: str) -> None:
    """Removes temporary files of killed processes. The caller must hold the lock, so there is no other writer."""
    for remains in folder.glob(f".{escape(name)}.*.tmp"):
        remains.unlink()


def _chunks(
    archive: Path, name: str, max_bytes: int, folder: Path, progress: ProgressCallback
) -> Generator[bytes, None, None]:
    """The bytes of a member in chunks. max_bytes: maximum size of the member.

    Only errors of reading the archive become ``ArchiveError``, not those of the caller's writing.
    """
    task, done = f"unpacking {name}", 0
    try:
        with _opened(archive, name) as (stream, size):
            _check_size(archive, name, size or 0, max_bytes)
            require_space(folder, archive.stat().st_size if size is None else size, name)
            progress(task, done, size)
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                _check_size(archive, name, done, max_bytes)
                progress(task, done, size)
                yield chunk
            if not done or size not in (None, done):
                raise EOFError(f"{name} ends after {done:,} bytes")
    except _DAMAGE as error:
        raise ArchiveError(f"{archive} is damaged or incomplete ({error or type(error).__name__}).") from None


def _check_size(archive: Path, name: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ArchiveError(
            f"{archive} is refused: its member {name} has more than the {format_size(max_bytes)} allowed."
        )


@contextmanager
def _opened(archive: Path, name: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """Opens a member for reading; also yields its size in the archive, None for a ``.gz``."""
    with _LimitedReader(FileIO(archive)) as file:
        if archive.suffix == ".tar":
            with tarfile.open(fileobj=file, mode="r:") as tar:
                yield _tar_member(archive, tar, name)
        elif archive.suffix == ".zip":
            with zipfile.ZipFile(file) as zipped:
                entry = _zip_member(archive, zipped, name)
                with zipped.open(entry) as stream:
                    yield stream, entry.file_size
        else:
            with gzip.open(file) as unzipped:
                yield cast(IO[bytes], unzipped), None


def _tar_member(archive: Path, tar: tarfile.TarFile, name: str) -> tuple[IO[bytes], int]:
    matches = []
    for count, member in enumerate(tar):
        if count == MAX_MEMBERS:
            raise ArchiveError(f"{archive} is refused: it has more than {MAX_MEMBERS:,} members.")
        if _matches(member.name, name):
            matches.append(member)
    (member,) = _require_single(archive, name, matches)
    stream = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if stream is None:
        raise _not_a_file(archive, name)
    return stream, member.size


def _zip_member(archive: Path, file: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    (entry,) = _require_single(archive, name, [entry for entry in file.infolist() if _matches(entry.filename, name)])
    if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _not_a_file(archive, name)
    return entry


def _matches(member: str, name: str) -> bool:
    return member.removeprefix("./") == name


def _require_single(archive: Path, name: str, members: list[_Member]) -> list[_Member]:
    if len(members) != 1:
        raise ArchiveError(
            f"{archive} is refused: it has {len(members) or 'no'} members named {name}, but must have one."
        )
    return members


def _not_a_file(archive: Path, name: str) -> ArchiveError:
    return ArchiveError(f"{archive} is refused: its member {name} is a link or a device, not a plain file.")


class _LimitedReader(BufferedReader):
    """Limits single reads to ``MAX_READ`` bytes: headers of a hostile archive may declare any length."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads up to ``size`` bytes.

        Raises:
            EOFError: more than ``MAX_READ`` bytes are requested.
        """
        limit = MAX_READ + 1 if size is None or size < 0 else size
        content = super().read(limit) if limit <= MAX_READ + 1 else None
        if content is None or len(content) > MAX_READ:
            raise EOFError("a header declares an impossible length")
        return content
