"""Atomic writes of files and folders, file locks and content hashes."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seqvise.errors import UserError

if TYPE_CHECKING:
    from filelock import FileLock

_ANY_LENGTH = (1 << 31) - 1
"""Maximum characters per CSV field. Python's default of 131,072 is too small for documents."""


def csv_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, row) for each row of a CSV table; fields may have any length. name: the file's name.

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

    The content is flushed to disk before the rename, so a crash leaves the old or the new file, never a partial one.
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

    Temporary folders left by killed processes are removed first. If ``path`` exists by the end of the block, the new
    folder is discarded: concurrent builders produce the same content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=f".{os.getpid()}.tmp", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if not path.exists():
            rename_durably(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rename_durably(folder: Path, path: Path) -> None:
    """Renames a folder after flushing all its files to disk, so that a crash leaves it complete or absent."""
    for file in folder.rglob("*"):
        if file.is_file():
            _flush(file)
    folder.rename(path)


def remove_temporary(folder: Path, below: bool = True) -> None:
    """Removes temporary files and folders of killed processes from a folder that no other process writes to.

    Args:
        below: also search subfolders.
    """
    for path in list(folder.rglob(".*.tmp") if below else folder.glob(".*.tmp")):
        _remove(path)


def remove_stale(path: Path) -> None:
    """Removes temporary files of ``path`` whose process, on this machine, no longer runs."""
    for temporary in list(path.parent.glob(f".{escape(path.name)}.*.tmp")):
        pid = temporary.name.split(".")[-2]
        if pid.isdigit() and not _is_running(int(pid)):
            _remove(temporary)


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill(pid, 0) would send Ctrl-C
    try:
        os.kill(pid, 0)
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
    """Holds an exclusive lock on the file ``path``, created if absent; blocks until the lock is free."""
    with _file_lock(path):
        yield


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Tries to lock the file ``path``, created if absent, without blocking; yields whether it has the lock.

    The lock ends with this process: forked processes, such as data loader workers, do not inherit it.
    """
    from filelock import Timeout

    with ExitStack() as stack:
        try:
            stack.enter_context(_file_lock(path, timeout=0))
        except (Timeout, OSError):
            yield False
        else:
            yield True


def _file_lock(path: Path, timeout: float = -1) -> FileLock:
    """A lock that the system releases when its process dies, not the file that filelock uses without such locks."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout, fallback_to_soft=False)


def write_text(path: Path, text: str) -> None:
    """Atomically replaces the content of a text file."""
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
    """Like ``digest_file``, for an open file from its current position."""
    hasher = hashlib.blake2b()
    while block := file.read(_BLOCK):
        hasher.update(block)
    return hasher.hexdigest()[:32]


def _flush(path: Path) -> None:
    # Windows flushes only files that are open for writing; elsewhere a file may be read-only.
    with path.open("r+b" if sys.platform == "win32" else "rb") as file:
        os.fsync(file.fileno())
