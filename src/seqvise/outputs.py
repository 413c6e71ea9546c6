"""Writing files that the user names, preserving devices, pipes, links, owners and modes."""

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
from seqvise.files import atomic_write, remove_stale

_NOT_REPLACEABLE = (errno.EBUSY, errno.EXDEV)
"""Errors of renaming onto a mount point, such as a file mounted into a container."""


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """A stream for a file that the user names. If the block fails, a regular file keeps its former content.

    Pipes, devices and open descriptors such as ``/dev/stdout`` receive the content as it is written. Links are
    followed; mode and owner are preserved. A file with several hard links or another owner is overwritten in place.
    The file's folder is created if it is missing, but not the folders above it.

    Raises:
        UserError: the parent of the file's folder is missing, too.
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
    with _created_folder(target.parent):
        replaceable = status is None or _replaceable(target, status)
        with _replacing(target, status) if replaceable else _overwriting(target) as file:
            yield file


def write_output(path: Path, content: str | bytes) -> None:
    """Writes a file that the user names; see ``output_file``."""
    with output_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def unwritable(path: Path) -> str:
    """The reason why a file or a new folder cannot be written, as far as can be checked now; empty if it can."""
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
    return "" if os.access(folder, os.W_OK) else f"{folder} is not writable"


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as ``/dev/stdout`` or ``/dev/fd/63`` refers to."""
    for _ in range(40):  # the kernel's limit of links to follow
        if path.name.isdigit() and path.parent.resolve() == Path(f"/proc/{os.getpid()}/fd"):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


@contextmanager
def _created_folder(folder: Path) -> Iterator[None]:
    """Creates a file's folder if it is missing, and removes it again if the block fails."""
    if folder.is_dir():
        yield
        return
    if not folder.parent.is_dir():
        raise UserError(
            f"{folder.parent} is missing: create that folder first, or give a path in a folder that exists."
        )
    folder.mkdir()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _replaceable(target: Path, status: os.stat_result) -> bool:
    """Whether a new file may replace this regular file: it has no other hard link, and its owner can be preserved."""
    owned = status.st_uid == os.geteuid() and status.st_gid in (os.getegid(), *os.getgroups())
    return status.st_nlink == 1 and owned and os.access(target.parent, os.W_OK) and os.access(target, os.W_OK)


@contextmanager
def _replacing(target: Path, status: os.stat_result | None) -> Iterator[BinaryIO]:
    """A new file that is finally renamed onto the target, or copied into it if the target is a mount point."""
    written: BinaryIO | None = None
    remove_stale(target)
    try:
        with atomic_write(target) as temporary, _created(temporary, status) as file:
            yield file
            file.flush()
            written = os.fdopen(os.dup(file.fileno()), "rb")
    except OSError as error:
        if written is None or error.errno not in _NOT_REPLACEABLE:
            raise
        _overwrite(target, written)
    finally:
        if written is not None:
            written.close()


def _created(path: Path, template: os.stat_result | None) -> BinaryIO:
    """A new file, open for writing and reading, with the group and mode of ``template``."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
    file = os.fdopen(os.open(path, flags, 0o666 if template is None else 0o600), "w+b")
    if template is not None:
        os.fchown(file.fileno(), -1, template.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(template.st_mode))
    return file


@contextmanager
def _overwriting(target: Path) -> Iterator[BinaryIO]:
    """A temporary file whose content is finally copied into the target."""
    # The target is opened first, so that missing permissions are detected before the work.
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
