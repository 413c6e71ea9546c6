"""Valid and hostile archives."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile

TEXT = "".join(f"question {number}?\n" for number in range(2_000)).encode()
Member = tuple[str, bytes]


def tar(*members: Member | tarfile.TarInfo) -> bytes:
    """A tar of plain members, and of TarInfo entries without content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            entry = tarfile.TarInfo(member[0])
            entry.size = len(member[1])
            archive.addfile(entry, io.BytesIO(member[1]))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """An entry of a tar: a link, a device, a folder and so on. target: target of a link."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def zipped(*members: Member, mode: int = 0) -> bytes:
    """A zip of members. mode: Unix mode of the last member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members, 1):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if number == len(members):
                entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return stream.getvalue()


def link_in_zip(name: str, target: str) -> bytes:
    """A zip with a symbolic link."""
    return zipped((name, target.encode()), mode=stat.S_IFLNK | 0o777)


def bomb(size: int) -> bytes:
    """A gzip file of ``size`` zeros."""
    return gzip.compress(bytes(size))
