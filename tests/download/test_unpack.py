"""Archives yield the selected members and nothing else, or a message."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.download.unpack import ArchiveError, unpack
from seqvise.errors import UserError
from tests.download.archives import TEXT, bomb, link_in_zip, special, tar, zipped

MAX_BYTES = 10 * len(TEXT)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "a.tar": lambda content: tar(("in.txt", content)),
    "a.zip": lambda content: zipped(("in.txt", content)),
    "in.txt.gz": gzip.compress,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A nested folder, so that files outside of it are detected."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    return inner


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def all_files(folder: Path) -> set[str]:
    """All files below the folder's grandparent."""
    top = folder.parents[1]
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if not path.is_dir()}


def refusal(folder: Path, name: str, content: bytes, max_bytes: int = MAX_BYTES) -> str:
    """The message of a refused archive; checks that it leaves no files."""
    archive = put(folder, name, content)
    with pytest.raises(ArchiveError) as error:
        unpack(archive, ["in.txt"], folder, max_bytes)
    assert all_files(folder) == {f"outer/inner/{name}"}
    (message,) = error.value.messages
    assert str(archive) in message
    return message


@pytest.mark.parametrize("name", PACKERS)
def test_the_member_is_extracted(folder: Path, name: str) -> None:
    progress: list[tuple[str, int, int | None]] = []
    unpack(put(folder, name, PACKERS[name](TEXT)), ["in.txt"], folder, MAX_BYTES, lambda *what: progress.append(what))
    assert (folder / "in.txt").read_bytes() == TEXT
    assert progress[-1][:2] == ("unpacking in.txt", len(TEXT))
    assert all_files(folder) == {f"outer/inner/{name}", "outer/inner/in.txt"}


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_several_members_and_a_leading_dot(folder: Path, name: str) -> None:
    members = [("./one.gz", b"1"), ("read.me", b"no"), ("two.gz", b"22")]
    unpack(put(folder, name, tar(*members) if name == "a.tar" else zipped(*members)), ["one.gz", "two.gz"], folder, 3)
    assert (folder / "one.gz").read_bytes() == b"1"
    assert (folder / "two.gz").read_bytes() == b"22"
    assert not (folder / "read.me").exists()


HOSTILE = [
    "/tmp/seqvise-hostile.txt",
    "../evil.txt",
    "../../evil.txt",
    "inner/../../evil.txt",
    "sub/in.txt",
    "../inner/in.txt",
    "..",
    "in.txt/",
    "C:\\evil.txt",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_hostile_members_are_not_extracted(folder: Path, hostile: str, pack: Callable[..., bytes]) -> None:
    name = "a.tar" if pack is tar else "a.zip"
    unpack(put(folder, name, pack((hostile, b"evil"), ("in.txt", TEXT))), ["in.txt"], folder, MAX_BYTES)
    assert (folder / "in.txt").read_bytes() == TEXT
    assert all_files(folder) == {f"outer/inner/{name}", "outer/inner/in.txt"}
    assert not Path("/tmp/seqvise-hostile.txt").exists()


@pytest.mark.parametrize("name", ["/in.txt", "../in.txt", "sub/in.txt", "IN.TXT", "././in.txt"])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_member_with_another_path_is_not_selected(folder: Path, name: str, pack: Callable[..., bytes]) -> None:
    archive = "a.tar" if pack is tar else "a.zip"
    assert "has no members named in.txt" in refusal(folder, archive, pack((name, TEXT)))


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "other.txt"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "other.txt"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
)
def test_members_that_are_not_plain_files_are_refused(folder: Path, kind: bytes, target: str) -> None:
    content = tar(("other.txt", TEXT), special("in.txt", kind, target))
    assert "a link or a device, not a plain file" in refusal(folder, "a.tar", content)


def test_a_member_behind_a_link_is_not_written(folder: Path) -> None:
    content = tar(special("sub", tarfile.SYMTYPE, "../.."), ("sub/evil.txt", b"evil"), ("in.txt", TEXT))
    unpack(put(folder, "a.tar", content), ["in.txt"], folder, MAX_BYTES)
    assert all_files(folder) == {"outer/inner/a.tar", "outer/inner/in.txt"}


def test_a_link_before_the_selected_member_is_refused(folder: Path) -> None:
    content = tar(special("in.txt", tarfile.SYMTYPE, "../../evil.txt"), ("in.txt", TEXT))
    assert "has 2 members named in.txt" in refusal(folder, "a.tar", content)


def test_a_link_in_a_zip_is_refused(folder: Path) -> None:
    assert "a link or a device" in refusal(folder, "a.zip", link_in_zip("in.txt", "/etc/passwd"))


def test_an_existing_link_is_replaced_and_not_followed(folder: Path) -> None:
    outside = put(folder.parent, "precious.txt", b"precious")
    (folder / "in.txt").symlink_to(outside)
    unpack(put(folder, "a.zip", zipped(("in.txt", TEXT))), ["in.txt"], folder, MAX_BYTES)
    assert outside.read_bytes() == b"precious"
    assert (folder / "in.txt").read_bytes() == TEXT
    assert not (folder / "in.txt").is_symlink()


def test_a_name_twice_is_refused(folder: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        content = zipped(("in.txt", b"one"), ("in.txt", b"two"))
    assert "has 2 members named in.txt" in refusal(folder, "a.zip", content)


@pytest.mark.parametrize("name", PACKERS)
def test_more_than_the_maximum_size_is_refused(folder: Path, name: str) -> None:
    content = PACKERS[name](bytes(5_000_000) if name != "a.tar" else TEXT)
    max_bytes = 3_000_000 if name != "a.tar" else len(TEXT) - 1
    assert "has more than the" in refusal(folder, name, content, max_bytes)
    assert refusal(folder, name, content, max_bytes)


def test_a_bomb_is_stopped_at_the_bound(folder: Path) -> None:
    progress: list[int] = []
    archive = put(folder, "in.txt.gz", bomb(10_000_000))
    with pytest.raises(ArchiveError):
        unpack(archive, ["in.txt"], folder, 5_000_000, lambda _task, done, _total: progress.append(done))
    assert max(progress) <= 5_000_000


def test_a_zip_with_a_wrong_size_is_refused(folder: Path) -> None:
    content = bytearray(zipped(("in.txt", bytes(1_000_000))))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        (entry,) = file.infolist()
    actual, declared = entry.file_size.to_bytes(4, "little"), (1_000).to_bytes(4, "little")
    assert bytes(content).count(actual) == 2
    assert "damaged or incomplete" in refusal(folder, "a.zip", bytes(content).replace(actual, declared))


def test_all_members_share_the_bound(folder: Path) -> None:
    archive = put(folder, "a.tar", tar(("one", b"1234"), ("two", b"5678")))
    with pytest.raises(ArchiveError, match="its member two has more than the 3 bytes"):
        unpack(archive, ["one", "two"], folder, 7)


def test_a_zero_byte_does_not_hide_the_rest_of_a_name(folder: Path) -> None:
    content = tar(("in.txt\0.exe", b"evil"), ("in.txt", TEXT))
    assert "has 2 members named in.txt" in refusal(folder, "a.tar", content)


@pytest.mark.parametrize("pack", [tar, lambda member: gzip.compress(tar(member))])
def test_a_compressed_tar_is_refused(folder: Path, pack: Callable[..., bytes]) -> None:
    assert refusal(folder, "a.tar", gzip.compress(pack(("in.txt", TEXT))))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes_is_not_read(folder: Path, kind: bytes) -> None:
    entry = special("header", kind)
    entry.size = 5 << 30
    content = entry.tobuf(tarfile.GNU_FORMAT) + tar(("in.txt", TEXT))
    assert "declares an impossible length" in refusal(folder, "a.tar", content)


def test_an_empty_member_is_refused(folder: Path) -> None:
    assert "ends after 0 bytes" in refusal(folder, "a.zip", zipped(("in.txt", b"")))


def test_a_sparse_member_is_refused(folder: Path) -> None:
    content = bytearray(tar(("in.txt", TEXT)))
    content[156:157] = tarfile.GNUTYPE_SPARSE
    content[345:500] = bytes(155)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert refusal(folder, "a.tar", bytes(content))


def test_too_many_members_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqvise.download.unpack.MAX_MEMBERS", 5)
    assert "more than 5 members" in refusal(folder, "a.tar", tar(*((f"{n}", b"") for n in range(6)), ("in.txt", TEXT)))


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.98])
def test_a_truncated_archive_is_refused(folder: Path, name: str, share: float) -> None:
    content = PACKERS[name](TEXT)
    end = len(content.rstrip(b"\0"))
    assert refusal(folder, name, content[: int(end * share)])


@pytest.mark.parametrize("name", PACKERS)
def test_a_page_of_the_server_is_refused(folder: Path, name: str) -> None:
    assert "is damaged or incomplete" in refusal(folder, name, b"<html>Please sign in</html>" * 100)


def test_an_encrypted_zip_is_refused(folder: Path) -> None:
    content = bytearray(zipped(("in.txt", TEXT)))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    assert "encrypted" in refusal(folder, "a.zip", bytes(content))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from([*PACKERS]), seed=st.integers(0, 2**32), changes=st.integers(1, 6))
def test_a_damaged_archive_is_refused_or_yields_the_right_bytes(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, changes: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    dice = random.Random(seed)
    content = bytearray(PACKERS[name](TEXT[:3_000]))
    for _ in range(changes):
        content[dice.randrange(len(content))] = dice.randrange(256)
    archive = put(folder, name, bytes(content))
    try:
        unpack(archive, ["in.txt"], folder, 1_000_000)
    except UserError:
        assert {path.name for path in folder.iterdir()} == {name}
        return
    extracted = (folder / "in.txt").read_bytes()
    assert extracted == TEXT[:3_000] or name == "a.tar"  # a tar has no checksum of its contents
    assert {path.name for path in folder.iterdir()} == {name, "in.txt"}


def test_a_full_disk_is_reported_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = put(folder, "a.zip", zipped(("in.txt", TEXT)))
    monkeypatch.setattr("seqvise.download.sources.shutil.disk_usage", lambda _path: SimpleNamespace(free=len(TEXT) - 1))
    with pytest.raises(UserError, match=r"in\.txt needs") as error:
        unpack(archive, ["in.txt"], folder, MAX_BYTES)
    assert not isinstance(error.value, ArchiveError)
    assert all_files(folder) == {"outer/inner/a.zip"}


def test_remains_of_a_killed_process_are_removed(folder: Path) -> None:
    put(folder, ".in.txt.12345.tmp", b"half")
    put(folder, ".in.txt.lock", b"")
    unpack(put(folder, "a.zip", zipped(("in.txt", TEXT))), ["in.txt"], folder, MAX_BYTES)
    assert {path.name for path in folder.iterdir()} == {"a.zip", "in.txt", ".in.txt.lock"}


def test_an_interrupt_leaves_nothing(folder: Path) -> None:
    def interrupt(*_what: object) -> None:
        raise KeyboardInterrupt

    archive = put(folder, "a.zip", zipped(("in.txt", TEXT)))
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, ["in.txt"], folder, MAX_BYTES, interrupt)
    assert all_files(folder) == {"outer/inner/a.zip"}
