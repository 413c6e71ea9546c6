"""The wanted members of an archive, whatever else it holds and wherever it says that they belong.

Nothing is written where an archive says: a member is looked for by its exact name, must be a plain file, and is written
into the given folder under that name, in one step. What it brings is counted, not believed.
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

from seqvise.download.sources import Watch, ignore, in_words, require_room
from seqvise.errors import UserError
from seqvise.files import atomic_write

CHUNK = 1 << 20
MEMBERS = 10_000
"""An archive with more is none of ours."""
LONGEST_READ = 1 << 22
"""Bytes of a header, or of a zip's list of members, at most."""
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, ValueError, LookupError, RuntimeError)
"""What reading a damaged archive raises; NotImplementedError is a RuntimeError."""
_Member = TypeVar("_Member", tarfile.TarInfo, zipfile.ZipInfo)


class ArchiveError(UserError):
    """An archive that is damaged, or holds what it must not."""


def unpack(archive: Path, files: Sequence[str], folder: Path, most: int, watch: Watch = ignore) -> None:
    """Writes the files that an archive holds, ``.tar``, ``.zip`` or ``.gz``, into a folder.

    Args:
        files: names of members, which are also those of the files; of a ``.gz`` one name.
        most: bytes that all files together may have.

    Raises:
        ArchiveError: the archive is cut off or damaged, lacks a member, has it twice or as a link, device or folder, or
            holds more than ``most`` bytes. Files that were whole before stay.
        UserError: the disk has no room.
    """
    left = most
    for name in files:
        target = folder / name
        remove_remains(folder, name)
        with closing(_chunks(archive, name, left, folder, watch)) as chunks, atomic_write(target) as temporary:
            with temporary.open("wb") as file:
                file.writelines(chunks)
            left -= temporary.stat().st_size


def remove_remains(folder: Path, name: str) -> None:
    """Removes what killed processes left of writing a file and its notes; whoever holds its lock is the only writer."""
    for remains in folder.glob(f".{escape(name)}.*.tmp"):
        remains.unlink()


def _chunks(archive: Path, name: str, most: int, folder: Path, watch: Watch) -> Generator[bytes, None, None]:
    """The bytes of a member. What is raised here comes from the archive; what its reader raises does not."""
    task, done = f"unpacking {name}", 0
    try:
        with _opened(archive, name) as (stream, size):
            _refuse_bomb(archive, name, size or 0, most)
            require_room(folder, archive.stat().st_size if size is None else size, name)
            watch(task, done, size)
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                _refuse_bomb(archive, name, done, most)
                watch(task, done, size)
                yield chunk
            if not done or size not in (None, done):
                raise EOFError(f"{name} ends after {done:,} bytes")
    except _DAMAGE as error:
        raise ArchiveError(f"{archive} is damaged or not whole ({error or type(error).__name__}).") from None


def _refuse_bomb(archive: Path, name: str, size: int, most: int) -> None:
    if size > most:
        raise ArchiveError(
            f"{archive} is refused: its member {name} has more than the {in_words(most)} that it may have."
        )


@contextmanager
def _opened(archive: Path, name: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """A member for reading, with the size that the archive says."""
    with _Careful(FileIO(archive)) as file:
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
    found = []
    for count, member in enumerate(tar):
        if count == MEMBERS:
            raise ArchiveError(f"{archive} is refused: it has more than {MEMBERS:,} members.")
        if _named(member.name, name):
            found.append(member)
    (member,) = _once(archive, name, found)
    stream = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if stream is None:
        raise _no_file(archive, name)
    return stream, member.size


def _zip_member(archive: Path, file: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    (entry,) = _once(archive, name, [entry for entry in file.infolist() if _named(entry.filename, name)])
    if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _no_file(archive, name)
    return entry


def _named(member: str, name: str) -> bool:
    return member.removeprefix("./") == name


def _once(archive: Path, name: str, found: list[_Member]) -> list[_Member]:
    if len(found) != 1:
        raise ArchiveError(
            f"{archive} is refused: it has {len(found) or 'no'} members named {name}, but must have one."
        )
    return found


def _no_file(archive: Path, name: str) -> ArchiveError:
    return ArchiveError(f"{archive} is refused: its member {name} is a link or a device, not a plain file.")


class _Careful(BufferedReader):
    """Reads no more at once than an honest archive needs, whatever length one of its headers claims."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to so many bytes."""
        wanted = LONGEST_READ + 1 if size is None or size < 0 else size
        found = super().read(wanted) if wanted <= LONGEST_READ + 1 else None
        if found is None or len(found) > LONGEST_READ:
            raise EOFError("a header claims a length that cannot be")
        return found
