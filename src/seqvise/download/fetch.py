"""Downloads a source into a folder: once, checked, unpacked and with a record of its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import OpenerDirector

from seqvise.download.partial import Partial
from seqvise.download.sources import ProgressCallback, Source, no_progress
from seqvise.download.transfer import RetryPolicy, transfer
from seqvise.download.unpack import ArchiveError, remove_remains, unpack
from seqvise.errors import UserError
from seqvise.files import locked, write_text

MAX_EXPANSION = 10
"""An archive with more than this multiple of the expected size is refused."""


@dataclass(frozen=True)
class Record:
    """``<name>.json`` next to a downloaded file. Copied to another machine, it ensures the same content there.

    Attributes:
        size: size in bytes.
        date: time of the download, UTC.
    """

    url: str
    size: int
    sha256: str
    date: str

    @staticmethod
    def path(source: Source, folder: Path) -> Path:
        """The path of a source's record."""
        return folder / f"{source.name}.json"

    @staticmethod
    def read(source: Source, folder: Path) -> Record | None:
        """The record of a source; None if there is none for its address."""
        try:
            record = Record(**json.loads(Record.path(source, folder).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return record if record.url == source.url else None


def fetch(
    source: Source,
    folder: Path,
    progress: ProgressCallback = no_progress,
    retry: RetryPolicy | None = None,
    opener: OpenerDirector | None = None,
) -> None:
    """Downloads the files of a source into a folder, unless they exist.

    A file is complete or absent. If several processes need the same file, one downloads it and the others wait.
    Interrupted downloads resume. A manually downloaded archive is unpacked and kept; a downloaded archive is removed
    after unpacking. The hash must be ``source.sha256``, or if that is not known, that of an earlier record. Without
    both, only the size is checked, and the hash is recorded.

    Raises:
        UserError: the file cannot be downloaded or has the wrong content, or the archive is refused; the message says
            what to download manually and where to put it. Or the folder cannot be written.
    """
    if _exists(source, folder):
        return
    try:
        with locked(folder / f".{source.name}.lock"):
            if not _exists(source, folder):
                _download_and_unpack(source, folder, progress, retry or RetryPolicy(), opener)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from error


def _exists(source: Source, folder: Path) -> bool:
    return all((folder / file).is_file() for file in source.files)


def _download_and_unpack(
    source: Source, folder: Path, progress: ProgressCallback, retry: RetryPolicy, opener: OpenerDirector | None
) -> None:
    remove_remains(folder, source.name)
    archive = folder / source.name
    is_manual = archive.is_file() and Record.read(source, folder) is None
    if is_manual:
        _check_manual_archive(source, archive)
    elif not archive.is_file():
        _download(source, folder, progress, retry, opener)
    if not source.packed:
        return
    size = archive.stat().st_size
    try:
        unpack(archive, source.files, folder, round(MAX_EXPANSION * source.growth * size), progress)
    except ArchiveError as error:
        if is_manual:
            raise UserError(f"{error} Remove it, or replace it with the right one.") from None
        archive.unlink()
        Record.path(source, folder).unlink(missing_ok=True)
        raise UserError(f"{error} It was removed. {source.manual_download(folder)}") from None
    if not is_manual:
        archive.unlink()


def _check_manual_archive(source: Source, archive: Path) -> None:
    """Refuses a manually downloaded archive of the wrong size or hash."""
    size = archive.stat().st_size
    if source.size is not None and size != source.size:
        raise UserError(
            f"{archive} has {size:,} bytes, but should have {source.size:,}: remove it, or download it again."
        )
    if source.sha256 is not None and sha256(archive) != source.sha256:
        raise UserError(f"{archive} does not have the sha256 {source.sha256}: remove it, or download it again.")


def _download(
    source: Source, folder: Path, progress: ProgressCallback, retry: RetryPolicy, opener: OpenerDirector | None
) -> None:
    record = Record.read(source, folder)
    expected = source.sha256 or (record.sha256 if record else None)
    partial = Partial(folder / source.name)
    resumed = partial.version(source.url) is not None and partial.done() > 0
    transfer(source, partial, progress, retry, opener)
    actual_sha256 = sha256(partial.path)
    if expected not in (None, actual_sha256):
        partial.remove()
        if resumed:  # the part of the earlier attempt may be damaged
            _download(source, folder, progress, retry, opener)
            return
        raise UserError(_wrong_hash_message(source, folder, actual_sha256, expected))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    record = Record(source.url, partial.done(), actual_sha256, date)
    write_text(Record.path(source, folder), json.dumps(asdict(record), indent=2) + "\n")
    partial.finish()


def _wrong_hash_message(source: Source, folder: Path, actual: str, expected: str | None) -> str:
    message = f"{source.url} has the sha256 {actual}, but should have {expected}"
    if source.sha256 is None:
        record = Record.path(source, folder)
        return f"{message} according to {record}: the file has changed. Remove {record} to accept the new one."
    advice = source.manual_download(folder)
    return f"{message}: it was changed, or damaged during the download, and has been removed. {advice}"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
