"""Transfers from a faulty server yield the right bytes, or a message."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from seqvise import __version__
from seqvise.download.partial import Partial
from seqvise.download.sources import Source, no_progress
from seqvise.download.transfer import MIN_PROGRESS, RetryPolicy, build_opener, transfer
from seqvise.errors import UserError
from tests.download.server import (
    CONTENT,
    ETAG,
    QUICK_RETRY,
    Answer,
    Server,
    cut,
    file,
    headed,
    redirect,
    silent,
    status,
)

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"
OTHER = bytes(reversed(CONTENT))


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    return Partial(tmp_path / "big.bin")


def download(server: Server, partial: Partial, *answers: Answer, size: int | None = None) -> bytes:
    url = server.serve("/big.bin", *answers)
    transfer(Source(url, ("big.bin",), size), partial, no_progress, QUICK_RETRY)
    return partial.path.read_bytes()


def refused(server: Server, partial: Partial, *answers: Answer, size: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        download(server, partial, *answers, size=size)
    (message,) = error.value.messages
    assert f"Download {server.url}/big.bin manually to {partial.target} and run the command again." in message
    return message


def test_a_complete_file(server: Server, partial: Partial) -> None:
    assert download(server, partial, file()) == CONTENT
    assert server.ranges() == [None]
    assert server.agents == [f"seqvise/{__version__}"]


@pytest.mark.parametrize(
    ("etag", "modified", "validator"), [(ETAG, DATE, ETAG), (None, DATE, DATE), ('W/"weak"', DATE, DATE)]
)
def test_an_interrupted_transfer_is_resumed(
    server: Server, partial: Partial, etag: str | None, modified: str, validator: str
) -> None:
    answers = [file(etag=etag, modified=modified, stop=stop) for stop in (70_000, 70_001, None)]
    assert download(server, partial, *answers) == CONTENT
    assert server.requests[1:] == [("/big.bin", "bytes=70000-", validator), ("/big.bin", "bytes=70001-", validator)]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_validator_it_starts_over(server: Server, partial: Partial, etag: str | None) -> None:
    assert download(server, partial, file(etag=etag, stop=70_000), file(OTHER, etag=etag)) == OTHER
    assert server.ranges() == [None, None]


def test_a_later_process_resumes(server: Server, partial: Partial) -> None:
    message = refused(server, partial, file(stop=70_000))
    assert "it was interrupted after 70,000 of 200,000 bytes" in message
    assert "The 70,000 bytes downloaded so far are kept." in message
    assert len(server.requests) == QUICK_RETRY.attempts
    assert download(server, Partial(partial.target), file()) == CONTENT
    assert server.ranges()[-1] == "bytes=70000-"


def test_an_interrupt_keeps_the_partial_file(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file())

    def interrupt(_task: str, done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer(Source(url, ("big.bin",)), partial, interrupt, QUICK_RETRY)
    kept = partial.path.read_bytes()
    assert len(kept) > 0
    assert CONTENT.startswith(kept)
    assert download(server, partial, file()) == CONTENT


def test_a_complete_partial_file_is_not_requested_again(server: Server, partial: Partial) -> None:
    download(server, partial, file())
    assert download(server, partial, status(500)) == CONTENT
    assert len(server.requests) == 1


def test_a_server_without_ranges_starts_over(server: Server, partial: Partial) -> None:
    assert download(server, partial, file(stop=70_000), file(ranges=False)) == CONTENT
    assert server.ranges() == [None, "bytes=70000-"]


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("content", [OTHER, OTHER + b"more", OTHER[:90_000], OTHER[:50_000]])
def test_a_changed_file_is_not_appended_to_the_old_part(
    server: Server, partial: Partial, content: bytes, obeys: bool
) -> None:
    assert download(server, partial, file(stop=70_000), file(content, etag='"two"', obeys=obeys)) == content


def test_a_part_of_another_address_is_not_resumed(server: Server, partial: Partial) -> None:
    refused(server, partial, file(stop=70_000))
    url = server.serve("/other.bin", file(OTHER))
    transfer(Source(url, ("big.bin",)), partial, no_progress, QUICK_RETRY)
    assert partial.path.read_bytes() == OTHER


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.write_text("{"),
        lambda note: note.write_text('{"url": "x"}'),
        lambda note: note.write_text("[]"),
        lambda note: note.write_text(note.read_text().replace("200000", '"many"')),
        lambda note: note.unlink(),
        lambda note: note.with_name("big.bin.part").write_bytes(OTHER + OTHER),
    ],
)
def test_a_part_without_a_valid_version_is_dropped(
    server: Server, partial: Partial, spoil: Callable[[Path], object]
) -> None:
    refused(server, partial, file(stop=70_000))
    spoil(partial.path.with_name("big.bin.part.json"))
    assert download(server, partial, file()) == CONTENT


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_transient_error_is_repeated(server: Server, partial: Partial, code: int) -> None:
    assert download(server, partial, status(code), silent, status(code), file()) == CONTENT


def test_a_lasting_error_is_reported_after_all_attempts(server: Server, partial: Partial) -> None:
    assert "the server answers 503 Service Unavailable" in refused(server, partial, status(503))
    assert len(server.requests) == QUICK_RETRY.attempts
    assert not partial.path.exists()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 406, 410, 451, 304])
def test_a_refusal_is_reported_at_once(server: Server, partial: Partial, code: int) -> None:
    assert refused(server, partial, status(code))
    assert len(server.requests) == 1


def test_a_broken_answer_is_repeated(server: Server, partial: Partial) -> None:
    def garbage(handler: object) -> None:
        handler.wfile.write(b"what?\r\n\r\n")  # type: ignore[attr-defined]
        cut(handler)  # type: ignore[arg-type]

    chunks = headed(200, ("Transfer-Encoding", "chunked"), ("Content-Length", "9"), body=b"5\r\nabc")
    assert download(server, partial, garbage, chunks, file()) == CONTENT


@pytest.mark.parametrize("length", [[], [("Content-Length", "many")], [("Content-Length", "-5")]])
def test_a_file_of_unknown_length_is_refused(server: Server, partial: Partial, length: list[tuple[str, str]]) -> None:
    assert "does not report its size" in refused(server, partial, headed(200, *length, body=CONTENT))
    assert not partial.path.exists()


def test_a_wrong_length_is_refused_before_a_byte_is_written(server: Server, partial: Partial) -> None:
    message = refused(server, partial, file(), size=199_999)
    assert "it has 200,000 bytes on the server, but should have 199,999" in message
    assert not partial.path.exists()


def test_a_length_that_is_too_large_is_an_interruption(server: Server, partial: Partial) -> None:
    assert "The 200,000 bytes downloaded so far are kept." in refused(server, partial, file(says=200_001), status(503))
    assert server.ranges() == [None, *["bytes=200000-"] * 3]


@pytest.mark.parametrize(
    "content_range", ["bytes 0-9/10", "bytes 70001-199999/200000", "bytes 70000-199999/*", "", "bytes x"]
)
def test_a_range_that_was_not_requested_is_not_appended(server: Server, partial: Partial, content_range: str) -> None:
    wrong = headed(206, ("Content-Range", content_range), ("Content-Length", "5"), ("ETag", ETAG), body=b"wrong")
    assert download(server, partial, file(stop=70_000), wrong, file()) == CONTENT


def test_an_unrequested_range_is_ignored(server: Server, partial: Partial) -> None:
    part = headed(206, ("Content-Range", "bytes 0-4/200000"), ("Content-Length", "5"), body=b"wrong")
    assert download(server, partial, part, file()) == CONTENT


def test_progress_resets_the_failures(server: Server, partial: Partial) -> None:
    content = os.urandom(8 * MIN_PROGRESS)
    breaks = [file(content, stop=stop * MIN_PROGRESS + 17) for stop in range(1, 8)]
    assert len(breaks) > QUICK_RETRY.attempts
    assert download(server, partial, *breaks, file(content)) == content


def test_a_server_that_always_starts_over_ends(server: Server, partial: Partial) -> None:
    stops = (2 * MIN_PROGRESS, 3 * MIN_PROGRESS + 1, 2 * MIN_PROGRESS)
    content = os.urandom(4 * MIN_PROGRESS)
    answers = [file(content, stop=stop, etag=None) for stop in stops]
    assert "it was interrupted" in refused(server, partial, *answers)
    assert len(server.requests) == 2 + QUICK_RETRY.attempts - 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_range(server: Server, partial: Partial, code: int) -> None:
    server.serve("/there", file(stop=70_000), file())
    assert download(server, partial, redirect("/there", code)) == CONTENT
    assert server.ranges() == [None, None, "bytes=70000-", "bytes=70000-"]


def test_a_redirect_loop_is_refused(server: Server, partial: Partial) -> None:
    assert "redirected too often" in refused(server, partial, redirect("/big.bin"))
    assert len(server.requests) <= 6


def test_too_many_redirects_are_refused(server: Server, partial: Partial) -> None:
    for step in range(50):
        server.serve(f"/{step}", redirect(f"/{step + 1}"))
    assert "redirected too often" in refused(server, partial, redirect("/0"))
    assert len(server.requests) <= 6


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://127.0.0.1/"])
def test_no_other_scheme_is_followed(server: Server, partial: Partial, to: str) -> None:
    assert to.partition(":")[0] in refused(server, partial, redirect(to))
    assert len(server.requests) == 1
    assert not partial.path.exists()


class Clear(urllib.request.HTTPSHandler):
    """Sends requests to https: addresses without TLS."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(http.client.HTTPConnection, req)


def test_https_does_not_fall_back_to_http(server: Server, partial: Partial) -> None:
    safe = server.url.replace("http:", "https:")
    server.serve("/there", file())
    server.serve("/down", redirect(f"{server.url}/there"))
    server.serve("/along", redirect(f"{safe}/there"))
    opener = build_opener(Clear())
    with pytest.raises(UserError, match=rf"redirected from https to {server.url}/there"):
        transfer(Source(f"{safe}/down", ("down",)), partial, no_progress, QUICK_RETRY, opener)
    assert not partial.path.exists()
    transfer(Source(f"{safe}/along", ("along",)), partial, no_progress, QUICK_RETRY, opener)
    assert partial.path.read_bytes() == CONTENT


def test_from_http_to_https_is_followed(server: Server, partial: Partial) -> None:
    server.serve("/there", file())
    url = server.serve("/up", redirect(f"{server.url.replace('http:', 'https:')}/there"))
    transfer(Source(url, ("up",)), partial, no_progress, QUICK_RETRY, build_opener(Clear()))
    assert partial.path.read_bytes() == CONTENT


def test_a_server_without_answer_times_out(server: Server, partial: Partial) -> None:
    end = threading.Event()

    url = server.serve("/big.bin", lambda _handler: end.wait(20))
    try:
        with pytest.raises(UserError, match=r"sends no more data|timed out"):
            transfer(Source(url, ("big.bin",)), partial, no_progress, RetryPolicy(timeout=0.2, attempts=2, pause=0.01))
    finally:
        end.set()
    assert len(server.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
def test_an_unreachable_server_is_reported_at_once(
    partial: Partial, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("seqvise.download.transfer.time.sleep", lambda _seconds: pytest.fail("asked again"))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(
        UserError, match=rf"cannot be reached .*Download http://{host}/big\.bin manually to {partial.target}"
    ):
        transfer(Source(f"http://{host}/big.bin", ("big.bin",)), partial, no_progress, QUICK_RETRY)


def test_a_temporary_network_error_is_repeated(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file(stop=70_000), file())
    calls = 0

    class Once(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise URLError(socket.gaierror(-3, "Temporary failure in name resolution"))
            return super().http_open(req)

    transfer(Source(url, ("big.bin",)), partial, no_progress, QUICK_RETRY, build_opener(Once()))
    assert partial.path.read_bytes() == CONTENT


def test_a_full_disk_is_reported_before_a_byte_is_written(
    server: Server, partial: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqvise.download.sources.shutil.disk_usage", lambda _path: SimpleNamespace(free=150_000))
    url = server.serve("/big.bin", file())
    with pytest.raises(UserError, match=r"needs 200\.0 kB in .*, but only 150\.0 kB are free"):
        transfer(Source(url, ("big.bin",)), partial, no_progress, QUICK_RETRY)
    assert not partial.path.exists()


def test_the_size_is_reported_before_the_first_byte(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file(stop=70_000), file())
    calls: list[tuple[str, int, int | None]] = []
    transfer(Source(url, ("big.bin",)), partial, lambda *what: calls.append(what), QUICK_RETRY)
    assert calls[0] == (f"downloading {url}", 0, 200_000)
    assert calls[-1] == (f"downloading {url}", 200_000, 200_000)
    counts = [done for _, done, _ in calls]
    assert counts == sorted(counts)


def test_pauses_grow_to_a_maximum() -> None:
    policy = RetryPolicy(pause=1.0, max_pause=5.0)
    assert [policy.pause_after(failures) for failures in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]
