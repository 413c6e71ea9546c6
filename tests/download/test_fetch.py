"""A source becomes files in a folder: checked, recorded, downloaded once and never incomplete."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from seqvise.download.fetch import fetch
from seqvise.download.sources import Source
from seqvise.errors import UserError
from tests.download.archives import TEXT, bomb, link_in_zip, tar, zipped
from tests.download.server import CONTENT, ETAG, QUICK_RETRY, Answer, Server, file, status

SHA256 = hashlib.sha256(CONTENT).hexdigest()
LOCK = ".{}.lock"


def source(server: Server, name: str, *answers: Answer, files: Sequence[str] = ()) -> Source:
    """A source on the server; an archive if ``files`` is set."""
    return Source(server.serve(f"/{name}", *answers), tuple(files or [name]), growth=20.0 if files else 0.0)


def download(source_file: Source, folder: Path) -> None:
    fetch(source_file, folder, retry=QUICK_RETRY)


def error_message(source_file: Source, folder: Path) -> str:
    with pytest.raises(UserError) as error:
        download(source_file, folder)
    (message,) = error.value.messages
    return message


def names(folder: Path) -> set[str]:
    """Names of the files in the folder, without the lock."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_and_its_record(server: Server, tmp_path: Path) -> None:
    source_file = source(server, "big.bin", file())
    download(source_file, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert names(folder) == {"big.bin", "big.bin.json"}
    assert (folder / "big.bin").read_bytes() == CONTENT
    record = json.loads((folder / "big.bin.json").read_text())
    date = datetime.fromisoformat(record.pop("date"))
    assert date.utcoffset() is not None
    assert record == {"url": source_file.url, "size": 200_000, "sha256": SHA256}


def test_remains_of_killed_processes_are_removed(server: Server, tmp_path: Path) -> None:
    for name in (".big.bin.json.77.tmp", ".big.bin.part.json.78.tmp"):
        (tmp_path / name).write_text("half")
    download(source(server, "big.bin", file()), tmp_path)
    assert names(tmp_path) == {"big.bin", "big.bin.json"}


def test_existing_files_are_not_downloaded(server: Server, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(b"the user's own")
    download(source(server, "big.bin", file()), tmp_path)
    assert server.requests == []
    assert names(tmp_path) == {"big.bin"}
    assert not (tmp_path / LOCK.format("big.bin")).exists()


def test_the_known_hash_is_checked(server: Server, tmp_path: Path) -> None:
    download(replace(source(server, "big.bin", file(stop=60_000), file()), sha256=SHA256, size=len(CONTENT)), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_another_hash_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    source_file = replace(source(server, "big.bin", file()), sha256="0" * 64)
    message = error_message(source_file, tmp_path)
    assert f"has the sha256 {SHA256}, but should have {'0' * 64}" in message
    assert f"Download {source_file.url} manually to {tmp_path / 'big.bin'} and run the command again." in message
    assert names(tmp_path) == set()


def test_a_damaged_partial_file_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    source_file = replace(source(server, "big.bin", file(stop=60_000)), sha256=SHA256)
    assert "was interrupted" in error_message(source_file, tmp_path)
    with (tmp_path / "big.bin.part").open("r+b") as part:
        part.write(b"damaged by the disk")
    download(replace(source(server, "big.bin", file()), sha256=SHA256), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert server.ranges()[-2:] == ["bytes=60000-", None]
    assert names(tmp_path) == {"big.bin", "big.bin.json"}


def test_a_copied_record_pins_the_content(server: Server, tmp_path: Path) -> None:
    origin, destination = tmp_path / "here", tmp_path / "there"
    source_file = source(server, "big.bin", file())
    download(source_file, origin)
    destination.mkdir()
    (destination / "big.bin.json").write_text((origin / "big.bin.json").read_text())
    source(server, "big.bin", file(CONTENT[::-1], etag='"two"'))
    message = error_message(source_file, destination)
    assert f"Remove {destination / 'big.bin.json'} to accept the new one." in message
    assert names(destination) == {"big.bin.json"}
    (destination / "big.bin.json").unlink()
    download(source_file, destination)
    assert (destination / "big.bin").read_bytes() == CONTENT[::-1]


def test_a_record_of_another_address_or_a_damaged_one_is_ignored(server: Server, tmp_path: Path) -> None:
    for text in ('{"url": "http://x/big.bin", "size": 1, "sha256": "0", "date": ""}', "[1]", "{"):
        (tmp_path / "big.bin.json").write_text(text)
        download(source(server, "big.bin", file()), tmp_path)
        (tmp_path / "big.bin").unlink()


def test_an_archive_is_unpacked_and_removed(server: Server, tmp_path: Path) -> None:
    source_file = source(server, "a.tar", file(tar(("x", b"x"), ("one", TEXT), ("two", b"2"))), files=["one", "two"])
    download(source_file, tmp_path)
    assert names(tmp_path) == {"one", "two", "a.tar.json"}
    assert (tmp_path / "one").read_bytes() == TEXT
    (tmp_path / "two").unlink()  # the archive is downloaded again; the other file is unchanged
    download(source_file, tmp_path)
    assert (tmp_path / "two").read_bytes() == b"2"


def test_a_manually_downloaded_archive_is_unpacked_and_kept(server: Server, tmp_path: Path) -> None:
    content = zipped(("fra.txt", TEXT))
    (tmp_path / "a.zip").write_bytes(content)
    source_file = replace(source(server, "a.zip", files=["fra.txt"]), size=len(content))
    download(source_file, tmp_path)
    assert server.requests == []
    assert names(tmp_path) == {"a.zip", "fra.txt"}


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"size": 5}, "bytes, but should have 5: remove it"),
        ({"sha256": "0" * 64}, f"does not have the sha256 {'0' * 64}: remove it"),
        ({}, "is damaged or incomplete"),
    ],
)
def test_a_wrong_manually_downloaded_archive_is_refused_and_kept(
    server: Server, tmp_path: Path, choices: dict[str, object], expected: str
) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    source_file = replace(source(server, "a.zip", files=["fra.txt"]), **choices)  # type: ignore[arg-type]
    assert expected in error_message(source_file, tmp_path)
    assert names(tmp_path) == {"a.zip"}
    assert server.requests == []


def test_an_archive_downloaded_before_an_interrupt_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    source_file = source(server, "a.zip", file(zipped(("fra.txt", TEXT))), files=["fra.txt"])

    def interrupt(task: str, _done: int, _total: int | None) -> None:
        if task.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source_file, tmp_path, interrupt, QUICK_RETRY)
    assert names(tmp_path) == {"a.zip", "a.zip.json"}
    download(source_file, tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == {"fra.txt", "a.zip.json"}


CUT = zipped(("fra.txt", TEXT))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", link_in_zip("fra.txt", "/etc/passwd")),
        ("a.zip", zipped(("../fra.txt", TEXT))),
        ("a.zip", b"<html></html>"),
        ("a.zip", CUT[: len(CUT) // 2]),
        ("a.tar", tar(("/fra.txt", TEXT))),
        ("fra.txt.gz", bomb(10_000_000)),
    ],
)
def test_a_hostile_archive_is_refused_and_removed(server: Server, tmp_path: Path, name: str, content: bytes) -> None:
    source_file = source(server, name, file(content), files=["fra.txt"])
    message = error_message(source_file, tmp_path / "in")
    assert "It was removed. Download " in message
    assert names(tmp_path / "in") == set()
    assert names(tmp_path) == {"in"}


def test_a_too_small_size_of_the_server_truncates_the_archive(server: Server, tmp_path: Path) -> None:
    source_file = source(server, "a.zip", file(CUT, says=len(CUT) - 30), files=["fra.txt"])
    assert "is damaged or incomplete" in error_message(source_file, tmp_path)
    assert names(tmp_path) == set()


def test_a_full_disk_during_unpacking_keeps_the_archive(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_file = source(server, "a.zip", file(CUT), files=["fra.txt"])

    def refuse(_folder: Path, needed: int, what: str) -> None:
        raise UserError(f"{what} needs {needed}")

    monkeypatch.setattr("seqvise.download.unpack.require_space", refuse)
    assert error_message(source_file, tmp_path) == f"fra.txt needs {len(TEXT)}"
    assert names(tmp_path) == {"a.zip", "a.zip.json"}


def test_space_for_the_unpacked_files_is_checked_before_the_start(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed_bytes: list[int] = []
    monkeypatch.setattr(
        "seqvise.download.transfer.require_space", lambda _folder, needed, _what: needed_bytes.append(needed)
    )
    download(source(server, "a.zip", file(CUT, stop=100), file(CUT), files=["fra.txt"]), tmp_path)
    assert needed_bytes == [21 * len(CUT), 21 * len(CUT) - 100]


def test_a_full_disk_is_reported(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_what: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqvise.download.fetch.transfer", full)
    assert (
        error_message(source(server, "big.bin", file()), tmp_path)
        == f"{tmp_path} cannot be written: No space left on device."
    )


def test_a_folder_that_is_a_file_is_reported(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert f"{tmp_path / 'taken'}" in error_message(source(server, "big.bin", file()), tmp_path / "taken")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_reported(server: Server, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written: Permission denied" in error_message(
        source(server, "big.bin", file()), tmp_path / "locked"
    )


def test_a_missing_file_leaves_nothing(server: Server, tmp_path: Path) -> None:
    assert "404 Not Found" in error_message(source(server, "big.bin", status(404)), tmp_path)
    assert names(tmp_path) == set()


def test_of_several_threads_one_downloads(server: Server, tmp_path: Path) -> None:
    slow = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        slow.wait(5)
        file(CUT)(handler)

    source_file = source(server, "a.zip", slowly, status(500), files=["fra.txt"])
    threads = [threading.Thread(target=download, args=(source_file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not server.requests:
        time.sleep(0.01)
    slow.set()
    for thread in threads:
        thread.join(20)
    assert len(server.requests) == 1
    assert (tmp_path / "fra.txt").read_bytes() == TEXT


FETCH = """
import sys
from pathlib import Path
from seqvise.download.fetch import fetch
from seqvise.download.sources import Source
fetch(Source(sys.argv[1], (sys.argv[2],), growth=20.0), Path(sys.argv[3]))
print(sorted(name for name in sys.modules if name in ("torch", "numpy", "rich", "hydra")))
"""


def command(source_file: Source, folder: Path) -> list[str]:
    return [sys.executable, "-c", FETCH, source_file.url, source_file.files[0], str(folder)]


def test_two_processes_download_once_and_import_nothing_heavy(server: Server, tmp_path: Path) -> None:
    source_file = source(server, "a.zip", file(CUT), files=["fra.txt"])
    started = [
        subprocess.Popen(command(source_file, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=30)[0].strip() for process in started] == ["[]", "[]"]
    assert len(server.requests) == 1


def test_the_next_process_resumes_after_a_killed_one(server: Server, tmp_path: Path) -> None:
    end = threading.Event()

    def stalled(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "200000")
        handler.send_header("ETag", ETAG)
        handler.end_headers()
        handler.wfile.write(CONTENT[:90_000])
        handler.wfile.flush()
        end.wait(20)

    source_file = source(server, "big.bin", stalled, file())
    process = subprocess.Popen(command(source_file, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = tmp_path / "big.bin.part"
    try:
        waited_until = time.monotonic() + 20
        while not (part.is_file() and part.stat().st_size > 50_000) and time.monotonic() < waited_until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    finally:
        end.set()
    received = part.stat().st_size
    assert CONTENT[:received] == part.read_bytes()
    download(source_file, tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert server.ranges()[1] == f"bytes={received}-"
    assert names(tmp_path) == {"big.bin", "big.bin.json"}
