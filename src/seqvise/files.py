"""Writing so that a reader never meets half a file, and processes never build the same thing twice."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import BinaryIO

from seqvise.errors import UserError

_ANY_LENGTH = (1 << 31) - 1
"""Characters of a field. Python's own limit is 131,072, less than many a document has."""


def csv_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV table, each with the line it begins on. Fields are of any length. name: of the file.

    Raises:
        UserError: a line is not CSV.
    """
    csv.field_size_limit(_ANY_LENGTH)
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{name}, line {line} is not CSV: {error}.") from None


_BLOCK = 1 << 20


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed onto it if the block succeeds and removed if it fails.

    The content is on the disk before the rename, so a crash leaves the old file or the new one, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, renamed onto it if the block succeeds and removed if it fails.

    Those that killed processes left are removed first. Where ``path`` is there by then, the new folder is dropped: two
    builders of one content agree.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_dead(path)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=f".{os.getpid()}.tmp", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if not path.exists():
            rename_whole(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rename_whole(folder: Path, path: Path) -> None:
    """Renames a folder when all its files are on the disk, so that a crash leaves the whole of it or nothing."""
    for file in folder.rglob("*"):
        if file.is_file():
            _flush(file)
    folder.rename(path)


def remove_remains(folder: Path, below: bool = True) -> None:
    """Removes temporary files and folders that killed processes left in a folder which nobody else writes.

    Args:
        below: also in the folders in it.
    """
    for path in list(folder.rglob(".*.tmp") if below else folder.glob(".*.tmp")):
        _remove(path)


def remove_dead(path: Path) -> None:
    """Removes what processes of this machine left of writing a file or folder, unless they are still at work."""
    for remains in list(path.parent.glob(f".{escape(path.name)}.*.tmp")):
        process = remains.name.split(".")[-2]
        if process.isdigit() and not _is_alive(int(process)):
            _remove(remains)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file ``path``, made if absent; waits for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Tells whether this process has the exclusive lock on the file ``path``, made if absent; does not wait for it.

    It ends with the process: processes that this one has forked, such as a loader's, do not hold it on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def write_text(path: Path, text: str) -> None:
    """Replaces a text file's content in one step."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(content: str | bytes, length: int = 12) -> str:
    """The first ``length`` hexadecimal digits of the content's BLAKE2b hash."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.blake2b(data).hexdigest()[:length]


def digest_file(path: Path) -> str:
    """The BLAKE2b hash of a file's bytes, as 32 hexadecimal digits."""
    with path.open("rb") as file:
        return digest_stream(file)


def digest_stream(file: BinaryIO) -> str:
    """As ``digest_file``, of an open file from where it stands."""
    found = hashlib.blake2b()
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()[:32]


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
