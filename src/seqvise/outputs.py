"""Files that the user names: written without destroying a device, a pipe, a link, an owner or a mode."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seqvise.errors import UserError
from seqvise.files import atomic_write, remove_dead

_PINNED = (errno.EBUSY, errno.EXDEV)
"""Renaming onto a mount point, such as a file that a container was given."""


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """A stream for a file that the user names. A regular file is there whole, or as it was if the block fails.

    A pipe, a device or an open descriptor such as ``/dev/stdout`` is written to as the content comes. A link is
    followed, mode and owner stay, and a file with several links or another owner is overwritten in place. One missing
    folder is made, the file's own.

    Raises:
        UserError: two folders are missing.
        OSError: the file cannot be written.
    """
    if (descriptor := _descriptor(path)) is not None:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            yield file
        return
    status = _status(path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb") as file:
            yield file
        return
    target = path.resolve()
    with _own_folder(target.parent):
        replaceable = status is None or _replaceable(target, status)
        with _replacing(target, status) if replaceable else _overwriting(target) as file:
            yield file


def write_output(path: Path, content: str | bytes) -> None:
    """Writes a file that the user names, see ``output_file``."""
    with output_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def unwritable(path: Path) -> str:
    """Why a file, or a new folder, cannot be written, as far as can be known before; nothing where it can."""
    if path.is_dir():
        return "it is a folder"
    if path.exists() and (_descriptor(path) is not None or os.access(path, os.W_OK)):
        return ""
    try:
        folder = path.resolve().parent
    except RuntimeError:
        return "it is a link to itself"
    if not folder.exists():
        if not folder.parent.exists():
            return f"the folder {folder.parent} is missing"
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is a file"
    return "" if os.access(folder, os.W_OK) else f"{folder} may not be written to"


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _descriptor(path: Path) -> int | None:
    """The number of this process's open file that a path such as ``/dev/stdout`` or ``/dev/fd/63`` means."""
    for _ in range(40):  # the kernel follows no more links
        if path.name.isdigit() and path.parent.resolve() == Path(f"/proc/{os.getpid()}/fd"):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


@contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    """Makes a file's folder where it is missing, and removes it again if the block fails."""
    if folder.is_dir():
        yield
        return
    if not folder.parent.is_dir():
        raise UserError(f"{folder.parent} is missing: make that folder first, or give a path in a folder that exists.")
    folder.mkdir()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _replaceable(target: Path, status: os.stat_result) -> bool:
    """Whether another file may take the place of a regular one: it has no other name, and its owner can be kept."""
    owned = status.st_uid == os.geteuid() and status.st_gid in (os.getegid(), *os.getgroups())
    return status.st_nlink == 1 and owned and os.access(target.parent, os.W_OK) and os.access(target, os.W_OK)


@contextmanager
def _replacing(target: Path, status: os.stat_result | None) -> Iterator[BinaryIO]:
    """A new file, renamed onto the target at the end, or copied into it where the target is a mount point."""
    written: BinaryIO | None = None
    remove_dead(target)
    try:
        with atomic_write(target) as temporary, _created(temporary, status) as file:
            yield file
            file.flush()
            written = os.fdopen(os.dup(file.fileno()), "rb")
    except OSError as error:
        if written is None or error.errno not in _PINNED:
            raise
        _overwrite(target, written)
    finally:
        if written is not None:
            written.close()


def _created(path: Path, like: os.stat_result | None) -> BinaryIO:
    """A new file, open for writing and reading, with group and mode of another."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
    file = os.fdopen(os.open(path, flags, 0o666 if like is None else 0o600), "w+b")
    if like is not None:
        os.fchown(file.fileno(), -1, like.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
    return file


@contextmanager
def _overwriting(target: Path) -> Iterator[BinaryIO]:
    """A file elsewhere, whose content is copied into the target at the end."""
    # The target is opened first, so that a missing right is noticed before the work.
    with target.open("r+b"), tempfile.TemporaryFile() as file:
        yield file
        file.flush()
        _overwrite(target, file)


def _overwrite(target: Path, source: BinaryIO) -> None:
    with target.open("r+b") as file:
        source.seek(0)
        shutil.copyfileobj(source, file)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
