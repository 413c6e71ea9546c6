"""A source becomes files in a folder: checked, recorded, once, and never half."""

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
from tests.download.server import CONTENT, ETAG, HASTE, Answer, Server, file, status

SHA256 = hashlib.sha256(CONTENT).hexdigest()
LOCK = ".{}.lock"


def source(server: Server, name: str, *answers: Answer, files: Sequence[str] = ()) -> Source:
    """A source that the server answers for; an archive where it leaves other files than itself."""
    return Source(server.serve(f"/{name}", *answers), tuple(files or [name]), growth=20.0 if files else 0.0)


def bring(wanted: Source, folder: Path) -> None:
    fetch(wanted, folder, patience=HASTE)


def problem(wanted: Source, folder: Path) -> str:
    with pytest.raises(UserError) as error:
        bring(wanted, folder)
    (told,) = error.value.messages
    return told


def names(folder: Path) -> set[str]:
    """What lies there, without the lock."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_and_its_record(server: Server, tmp_path: Path) -> None:
    wanted = source(server, "big.bin", file())
    bring(wanted, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert names(folder) == {"big.bin", "big.bin.json"}
    assert (folder / "big.bin").read_bytes() == CONTENT
    record = json.loads((folder / "big.bin.json").read_text())
    date = datetime.fromisoformat(record.pop("date"))
    assert date.utcoffset() is not None
    assert record == {"url": wanted.url, "size": 200_000, "sha256": SHA256}


def test_remains_of_killed_processes_go(server: Server, tmp_path: Path) -> None:
    for name in (".big.bin.json.77.tmp", ".big.bin.part.json.78.tmp"):
        (tmp_path / name).write_text("half")
    bring(source(server, "big.bin", file()), tmp_path)
    assert names(tmp_path) == {"big.bin", "big.bin.json"}


def test_what_is_there_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(b"a person's own")
    bring(source(server, "big.bin", file()), tmp_path)
    assert server.asked == []
    assert names(tmp_path) == {"big.bin"}
    assert not (tmp_path / LOCK.format("big.bin")).exists()


def test_the_known_hash_is_checked(server: Server, tmp_path: Path) -> None:
    bring(replace(source(server, "big.bin", file(stop=60_000), file()), sha256=SHA256, size=len(CONTENT)), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_another_hash_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    wanted = replace(source(server, "big.bin", file()), sha256="0" * 64)
    told = problem(wanted, tmp_path)
    assert f"has the sha256 {SHA256}, but should have {'0' * 64}" in told
    assert f"Fetch {wanted.url} by hand, put it at {tmp_path / 'big.bin'} and start again." in told
    assert names(tmp_path) == set()


def test_a_wrong_half_of_an_earlier_time_is_fetched_again(server: Server, tmp_path: Path) -> None:
    wanted = replace(source(server, "big.bin", file(stop=60_000)), sha256=SHA256)
    assert "broke off" in problem(wanted, tmp_path)
    with (tmp_path / "big.bin.part").open("r+b") as half:
        half.write(b"damaged by the disk")
    bring(replace(source(server, "big.bin", file()), sha256=SHA256), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert server.ranges()[-2:] == ["bytes=60000-", None]
    assert names(tmp_path) == {"big.bin", "big.bin.json"}


def test_a_record_brought_along_pins_the_content(server: Server, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    wanted = source(server, "big.bin", file())
    bring(wanted, here)
    there.mkdir()
    (there / "big.bin.json").write_text((here / "big.bin.json").read_text())
    source(server, "big.bin", file(CONTENT[::-1], etag='"two"'))
    told = problem(wanted, there)
    assert f"Remove {there / 'big.bin.json'} to take the new one." in told
    assert names(there) == {"big.bin.json"}
    (there / "big.bin.json").unlink()
    bring(wanted, there)
    assert (there / "big.bin").read_bytes() == CONTENT[::-1]


def test_a_record_of_another_address_or_none_at_all_pins_nothing(server: Server, tmp_path: Path) -> None:
    for text in ('{"url": "http://x/big.bin", "size": 1, "sha256": "0", "date": ""}', "[1]", "{"):
        (tmp_path / "big.bin.json").write_text(text)
        bring(source(server, "big.bin", file()), tmp_path)
        (tmp_path / "big.bin").unlink()


def test_an_archive_is_unpacked_and_goes(server: Server, tmp_path: Path) -> None:
    wanted = source(server, "a.tar", file(tar(("x", b"x"), ("one", TEXT), ("two", b"2"))), files=["one", "two"])
    bring(wanted, tmp_path)
    assert names(tmp_path) == {"one", "two", "a.tar.json"}
    assert (tmp_path / "one").read_bytes() == TEXT
    (tmp_path / "two").unlink()  # one is missing again: the archive is fetched, the other stays what it was
    bring(wanted, tmp_path)
    assert (tmp_path / "two").read_bytes() == b"2"


def test_an_archive_put_there_by_hand_is_unpacked_and_stays(server: Server, tmp_path: Path) -> None:
    content = zipped(("fra.txt", TEXT))
    (tmp_path / "a.zip").write_bytes(content)
    wanted = replace(source(server, "a.zip", files=["fra.txt"]), size=len(content))
    bring(wanted, tmp_path)
    assert server.asked == []
    assert names(tmp_path) == {"a.zip", "fra.txt"}


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"size": 5}, "bytes, but should have 5: remove it"),
        ({"sha256": "0" * 64}, f"has not the sha256 {'0' * 64}: remove it"),
        ({}, "is damaged or not whole"),
    ],
)
def test_a_wrong_archive_put_there_by_hand_is_refused_and_stays(
    server: Server, tmp_path: Path, choices: dict[str, object], told: str
) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    wanted = replace(source(server, "a.zip", files=["fra.txt"]), **choices)  # type: ignore[arg-type]
    assert told in problem(wanted, tmp_path)
    assert names(tmp_path) == {"a.zip"}
    assert server.asked == []


def test_an_archive_fetched_before_an_interrupt_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    wanted = source(server, "a.zip", file(zipped(("fra.txt", TEXT))), files=["fra.txt"])

    def interrupt(task: str, _done: int, _total: int | None) -> None:
        if task.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wanted, tmp_path, interrupt, HASTE)
    assert names(tmp_path) == {"a.zip", "a.zip.json"}
    bring(wanted, tmp_path)
    assert len(server.asked) == 1
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
def test_a_hostile_archive_is_refused_and_goes(server: Server, tmp_path: Path, name: str, content: bytes) -> None:
    wanted = source(server, name, file(content), files=["fra.txt"])
    told = problem(wanted, tmp_path / "in")
    assert "It was removed. Fetch " in told
    assert names(tmp_path / "in") == set()
    assert names(tmp_path) == {"in"}


def test_a_server_that_says_too_little_gives_a_cut_archive(server: Server, tmp_path: Path) -> None:
    wanted = source(server, "a.zip", file(CUT, says=len(CUT) - 30), files=["fra.txt"])
    assert "is damaged or not whole" in problem(wanted, tmp_path)
    assert names(tmp_path) == set()


def test_no_room_to_unpack_keeps_the_archive(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = source(server, "a.zip", file(CUT), files=["fra.txt"])

    def refuse(_folder: Path, needed: int, what: str) -> None:
        raise UserError(f"{what} needs {needed}")

    monkeypatch.setattr("seqvise.download.unpack.require_room", refuse)
    assert problem(wanted, tmp_path) == f"fra.txt needs {len(TEXT)}"
    assert names(tmp_path) == {"a.zip", "a.zip.json"}


def test_room_for_what_is_unpacked_counts_before_the_start(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("seqvise.download.transfer.require_room", lambda _folder, needed, _what: asked.append(needed))
    bring(source(server, "a.zip", file(CUT, stop=100), file(CUT), files=["fra.txt"]), tmp_path)
    assert asked == [21 * len(CUT), 21 * len(CUT) - 100]


def test_a_full_disk_is_a_sentence(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_what: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqvise.download.fetch.transfer", full)
    assert (
        problem(source(server, "big.bin", file()), tmp_path)
        == f"{tmp_path} cannot be written: No space left on device."
    )


def test_a_folder_that_is_a_file_is_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert f"{tmp_path / 'taken'}" in problem(source(server, "big.bin", file()), tmp_path / "taken")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written: Permission denied" in problem(source(server, "big.bin", file()), tmp_path / "locked")


def test_a_missing_file_leaves_nothing(server: Server, tmp_path: Path) -> None:
    assert "404 Not Found" in problem(source(server, "big.bin", status(404)), tmp_path)
    assert names(tmp_path) == set()


def test_of_several_at_once_one_fetches(server: Server, tmp_path: Path) -> None:
    slow = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        slow.wait(5)
        file(CUT)(handler)

    wanted = source(server, "a.zip", slowly, status(500), files=["fra.txt"])
    threads = [threading.Thread(target=bring, args=(wanted, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not server.asked:
        time.sleep(0.01)
    slow.set()
    for thread in threads:
        thread.join(20)
    assert len(server.asked) == 1
    assert (tmp_path / "fra.txt").read_bytes() == TEXT


FETCH = """
import sys
from pathlib import Path
from seqvise.download.fetch import fetch
from seqvise.download.sources import Source
fetch(Source(sys.argv[1], (sys.argv[2],), growth=20.0), Path(sys.argv[3]))
print(sorted(name for name in sys.modules if name in ("torch", "numpy", "rich", "hydra")))
"""


def command(wanted: Source, folder: Path) -> list[str]:
    return [sys.executable, "-c", FETCH, wanted.url, wanted.files[0], str(folder)]


def test_two_processes_fetch_once_and_import_nothing_heavy(server: Server, tmp_path: Path) -> None:
    wanted = source(server, "a.zip", file(CUT), files=["fra.txt"])
    started = [
        subprocess.Popen(command(wanted, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=30)[0].strip() for process in started] == ["[]", "[]"]
    assert len(server.asked) == 1


def test_a_killed_process_leaves_a_half_that_the_next_one_goes_on_with(server: Server, tmp_path: Path) -> None:
    end = threading.Event()

    def stalled(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "200000")
        handler.send_header("ETag", ETAG)
        handler.end_headers()
        handler.wfile.write(CONTENT[:90_000])
        handler.wfile.flush()
        end.wait(20)

    wanted = source(server, "big.bin", stalled, file())
    process = subprocess.Popen(command(wanted, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    half = tmp_path / "big.bin.part"
    try:
        waited_until = time.monotonic() + 20
        while not (half.is_file() and half.stat().st_size > 50_000) and time.monotonic() < waited_until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    finally:
        end.set()
    there = half.stat().st_size
    assert CONTENT[:there] == half.read_bytes()
    bring(wanted, tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert server.ranges()[1] == f"bytes={there}-"
    assert names(tmp_path) == {"big.bin", "big.bin.json"}
