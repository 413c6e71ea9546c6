"""A source into a folder: fetched once, checked, unpacked, and its hash written down."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import OpenerDirector

from seqvise.download.partial import Partial
from seqvise.download.sources import Source, Watch, ignore
from seqvise.download.transfer import Patience, transfer
from seqvise.download.unpack import ArchiveError, remove_remains, unpack
from seqvise.errors import UserError
from seqvise.files import locked, write_text

BOMB = 10
"""So many times what an archive should hold is refused."""


@dataclass(frozen=True)
class Record:
    """``<name>.json`` beside what was fetched, so that another machine can compare, or take it and fetch the same.

    Attributes:
        url: the address.
        size: bytes.
        sha256: hexadecimal.
        date: when it was fetched, UTC.
    """

    url: str
    size: int
    sha256: str
    date: str

    @staticmethod
    def path(source: Source, folder: Path) -> Path:
        """Where a source's record lies."""
        return folder / f"{source.name}.json"

    @staticmethod
    def read(source: Source, folder: Path) -> Record | None:
        """The record of a source; None where there is none of this address."""
        try:
            record = Record(**json.loads(Record.path(source, folder).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return record if record.url == source.url else None


def fetch(
    source: Source,
    folder: Path,
    watch: Watch = ignore,
    patience: Patience | None = None,
    opener: OpenerDirector | None = None,
) -> None:
    """Puts the files of a source into a folder, unless they are there.

    A file is there whole or not at all. Of processes that want the same one fetches, the others wait. What was fetched
    before an interrupt is gone on with. An archive that a person put there is unpacked, and stays; one that was fetched
    goes when its files are there. Its sha256 must be the source's; where that is not known, the one in the record of
    an earlier time, if there is one. Where there is none either, only the size is checked, and the record is written.

    Raises:
        UserError: the file cannot be fetched, is not the one expected, or the archive is refused; what to fetch by hand
            and where to put it. Or the folder cannot be written.
    """
    if _there(source, folder):
        return
    try:
        with locked(folder / f".{source.name}.lock"):
            if not _there(source, folder):
                _bring(source, folder, watch, patience or Patience(), opener)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from error


def _there(source: Source, folder: Path) -> bool:
    return all((folder / file).is_file() for file in source.files)


def _bring(source: Source, folder: Path, watch: Watch, patience: Patience, opener: OpenerDirector | None) -> None:
    remove_remains(folder, source.name)
    archive = folder / source.name
    by_hand = archive.is_file() and Record.read(source, folder) is None
    if by_hand:
        _check(source, archive)
    elif not archive.is_file():
        _download(source, folder, watch, patience, opener)
    if not source.packed:
        return
    size = archive.stat().st_size
    try:
        unpack(archive, source.files, folder, round(BOMB * source.growth * size), watch)
    except ArchiveError as error:
        if by_hand:
            raise UserError(f"{error} Remove it, or put the right one in its place.") from None
        archive.unlink()
        Record.path(source, folder).unlink(missing_ok=True)
        raise UserError(f"{error} It was removed. {source.by_hand(folder)}") from None
    if not by_hand:
        archive.unlink()


def _check(source: Source, archive: Path) -> None:
    """Refuses an archive that a person put there, where it cannot be the right one."""
    size = archive.stat().st_size
    if source.size is not None and size != source.size:
        raise UserError(f"{archive} has {size:,} bytes, but should have {source.size:,}: remove it, or fetch it again.")
    if source.sha256 is not None and sha256(archive) != source.sha256:
        raise UserError(f"{archive} has not the sha256 {source.sha256}: remove it, or fetch it again.")


def _download(source: Source, folder: Path, watch: Watch, patience: Patience, opener: OpenerDirector | None) -> None:
    known = Record.read(source, folder)
    expected = source.sha256 or (known.sha256 if known else None)
    partial = Partial(folder / source.name)
    resumed = partial.version(source.url) is not None and partial.done() > 0
    transfer(source, partial, watch, patience, opener)
    found = sha256(partial.path)
    if expected not in (None, found):
        partial.remove()
        if resumed:  # the half from an earlier time may be what is wrong
            _download(source, folder, watch, patience, opener)
            return
        raise UserError(_wrong(source, folder, found, expected))
    record = Record(source.url, partial.done(), found, datetime.now(UTC).isoformat(timespec="seconds"))
    write_text(Record.path(source, folder), json.dumps(asdict(record), indent=2) + "\n")
    partial.finish()


def _wrong(source: Source, folder: Path, found: str, expected: str | None) -> str:
    told = f"{source.url} has the sha256 {found}, but should have {expected}"
    if source.sha256 is None:
        record = Record.path(source, folder)
        return f"{told}, as {record} says: it was changed since. Remove {record} to take the new one."
    return f"{told}: it was damaged on the way or changed, and nothing of it is kept. {source.by_hand(folder)}"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
