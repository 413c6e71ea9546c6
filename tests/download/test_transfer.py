"""From a server that does what servers do to the right bytes, or to one sentence."""

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
from seqvise.download.sources import Source, ignore
from seqvise.download.transfer import PROGRESS, Patience, build_opener, transfer
from seqvise.errors import UserError
from tests.download.server import CONTENT, ETAG, HASTE, Answer, Server, cut, file, headed, redirect, silent, status

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"
OTHER = bytes(reversed(CONTENT))


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    return Partial(tmp_path / "big.bin")


def bring(server: Server, partial: Partial, *answers: Answer, size: int | None = None) -> bytes:
    url = server.serve("/big.bin", *answers)
    transfer(Source(url, ("big.bin",), size), partial, ignore, HASTE)
    return partial.path.read_bytes()


def refused(server: Server, partial: Partial, *answers: Answer, size: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        bring(server, partial, *answers, size=size)
    (problem,) = error.value.messages
    assert f"Fetch {server.url}/big.bin by hand, put it at {partial.target} and start again." in problem
    return problem


def test_a_whole_file(server: Server, partial: Partial) -> None:
    assert bring(server, partial, file()) == CONTENT
    assert server.ranges() == [None]
    assert server.agents == [f"seqvise/{__version__}"]


@pytest.mark.parametrize(
    ("etag", "modified", "asked"), [(ETAG, DATE, ETAG), (None, DATE, DATE), ('W/"weak"', DATE, DATE)]
)
def test_what_broke_off_is_gone_on_with(
    server: Server, partial: Partial, etag: str | None, modified: str, asked: str
) -> None:
    answers = [file(etag=etag, modified=modified, stop=stop) for stop in (70_000, 70_001, None)]
    assert bring(server, partial, *answers) == CONTENT
    assert server.asked[1:] == [("/big.bin", "bytes=70000-", asked), ("/big.bin", "bytes=70001-", asked)]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_name_of_the_content_it_starts_over(server: Server, partial: Partial, etag: str | None) -> None:
    assert bring(server, partial, file(etag=etag, stop=70_000), file(OTHER, etag=etag)) == OTHER
    assert server.ranges() == [None, None]


def test_a_later_process_goes_on(server: Server, partial: Partial) -> None:
    told = refused(server, partial, file(stop=70_000))
    assert "it broke off after 70,000 of 200,000 bytes" in told
    assert "The 70,000 bytes fetched so far are kept." in told
    assert len(server.asked) == HASTE.attempts
    assert bring(server, Partial(partial.target), file()) == CONTENT
    assert server.ranges()[-1] == "bytes=70000-"


def test_an_interrupt_keeps_what_is_there(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file())

    def interrupt(_task: str, done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer(Source(url, ("big.bin",)), partial, interrupt, HASTE)
    kept = partial.path.read_bytes()
    assert len(kept) > 0
    assert CONTENT.startswith(kept)
    assert bring(server, partial, file()) == CONTENT


def test_a_file_that_is_all_there_is_not_asked_for_again(server: Server, partial: Partial) -> None:
    bring(server, partial, file())
    assert bring(server, partial, status(500)) == CONTENT
    assert len(server.asked) == 1


def test_a_server_without_ranges_starts_over(server: Server, partial: Partial) -> None:
    assert bring(server, partial, file(stop=70_000), file(ranges=False)) == CONTENT
    assert server.ranges() == [None, "bytes=70000-"]


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("content", [OTHER, OTHER + b"more", OTHER[:90_000], OTHER[:50_000]])
def test_a_changed_file_is_not_glued_to_the_old_half(
    server: Server, partial: Partial, content: bytes, obeys: bool
) -> None:
    assert bring(server, partial, file(stop=70_000), file(content, etag='"two"', obeys=obeys)) == content


def test_a_half_of_another_address_is_not_gone_on_with(server: Server, partial: Partial) -> None:
    refused(server, partial, file(stop=70_000))
    url = server.serve("/other.bin", file(OTHER))
    transfer(Source(url, ("big.bin",)), partial, ignore, HASTE)
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
def test_a_half_that_nothing_vouches_for_is_dropped(
    server: Server, partial: Partial, spoil: Callable[[Path], object]
) -> None:
    refused(server, partial, file(stop=70_000))
    spoil(partial.path.with_name("big.bin.part.json"))
    assert bring(server, partial, file()) == CONTENT


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_asked_again(server: Server, partial: Partial, code: int) -> None:
    assert bring(server, partial, status(code), silent, status(code), file()) == CONTENT


def test_a_lasting_fault_is_told_after_some_attempts(server: Server, partial: Partial) -> None:
    assert "the server answers 503 Service Unavailable" in refused(server, partial, status(503))
    assert len(server.asked) == HASTE.attempts
    assert not partial.path.exists()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 406, 410, 451, 304])
def test_a_refusal_is_told_at_once(server: Server, partial: Partial, code: int) -> None:
    assert refused(server, partial, status(code))
    assert len(server.asked) == 1


def test_a_broken_answer_is_asked_again(server: Server, partial: Partial) -> None:
    def garbage(handler: object) -> None:
        handler.wfile.write(b"what?\r\n\r\n")  # type: ignore[attr-defined]
        cut(handler)  # type: ignore[arg-type]

    chunks = headed(200, ("Transfer-Encoding", "chunked"), ("Content-Length", "9"), body=b"5\r\nabc")
    assert bring(server, partial, garbage, chunks, file()) == CONTENT


@pytest.mark.parametrize("length", [[], [("Content-Length", "many")], [("Content-Length", "-5")]])
def test_a_file_of_unknown_length_is_refused(server: Server, partial: Partial, length: list[tuple[str, str]]) -> None:
    assert "does not say how large it is" in refused(server, partial, headed(200, *length, body=CONTENT))
    assert not partial.path.exists()


def test_another_length_than_the_known_one_is_refused_before_a_byte_is_written(
    server: Server, partial: Partial
) -> None:
    told = refused(server, partial, file(), size=199_999)
    assert "it has 200,000 bytes at the server, but should have 199,999" in told
    assert not partial.path.exists()


def test_a_length_that_is_too_large_is_a_break(server: Server, partial: Partial) -> None:
    assert "The 200,000 bytes fetched so far are kept." in refused(server, partial, file(says=200_001), status(503))
    assert server.ranges() == [None, *["bytes=200000-"] * 3]


@pytest.mark.parametrize("told", ["bytes 0-9/10", "bytes 70001-199999/200000", "bytes 70000-199999/*", "", "bytes x"])
def test_another_part_than_was_asked_for_is_not_glued_on(server: Server, partial: Partial, told: str) -> None:
    wrong = headed(206, ("Content-Range", told), ("Content-Length", "5"), ("ETag", ETAG), body=b"wrong")
    assert bring(server, partial, file(stop=70_000), wrong, file()) == CONTENT


def test_a_part_that_was_not_asked_for_is_not_taken(server: Server, partial: Partial) -> None:
    part = headed(206, ("Content-Range", "bytes 0-4/200000"), ("Content-Length", "5"), body=b"wrong")
    assert bring(server, partial, part, file()) == CONTENT


def test_progress_makes_patience_new(server: Server, partial: Partial) -> None:
    content = os.urandom(8 * PROGRESS)
    breaks = [file(content, stop=stop * PROGRESS + 17) for stop in range(1, 8)]
    assert len(breaks) > HASTE.attempts
    assert bring(server, partial, *breaks, file(content)) == content


def test_a_server_that_always_starts_over_ends(server: Server, partial: Partial) -> None:
    stops = (2 * PROGRESS, 3 * PROGRESS + 1, 2 * PROGRESS)
    content = os.urandom(4 * PROGRESS)
    answers = [file(content, stop=stop, etag=None) for stop in stops]
    assert "it broke off" in refused(server, partial, *answers)
    assert len(server.asked) == 2 + HASTE.attempts - 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_range(server: Server, partial: Partial, code: int) -> None:
    server.serve("/there", file(stop=70_000), file())
    assert bring(server, partial, redirect("/there", code)) == CONTENT
    assert server.ranges() == [None, None, "bytes=70000-", "bytes=70000-"]


def test_a_loop_is_refused(server: Server, partial: Partial) -> None:
    assert "redirected without end" in refused(server, partial, redirect("/big.bin"))
    assert len(server.asked) <= 6


def test_an_endless_way_is_refused(server: Server, partial: Partial) -> None:
    for step in range(50):
        server.serve(f"/{step}", redirect(f"/{step + 1}"))
    assert "redirected without end" in refused(server, partial, redirect("/0"))
    assert len(server.asked) <= 6


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://127.0.0.1/"])
def test_no_other_scheme_is_followed(server: Server, partial: Partial, to: str) -> None:
    assert to.partition(":")[0] in refused(server, partial, redirect(to))
    assert len(server.asked) == 1
    assert not partial.path.exists()


class Clear(urllib.request.HTTPSHandler):
    """Takes https: addresses to a server that speaks no TLS."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(http.client.HTTPConnection, req)


def test_https_does_not_fall_back_to_http(server: Server, partial: Partial) -> None:
    safe = server.url.replace("http:", "https:")
    server.serve("/there", file())
    server.serve("/down", redirect(f"{server.url}/there"))
    server.serve("/along", redirect(f"{safe}/there"))
    opener = build_opener(Clear())
    with pytest.raises(UserError, match=rf"redirected from https to {server.url}/there"):
        transfer(Source(f"{safe}/down", ("down",)), partial, ignore, HASTE, opener)
    assert not partial.path.exists()
    transfer(Source(f"{safe}/along", ("along",)), partial, ignore, HASTE, opener)
    assert partial.path.read_bytes() == CONTENT


def test_from_http_to_https_is_followed(server: Server, partial: Partial) -> None:
    server.serve("/there", file())
    url = server.serve("/up", redirect(f"{server.url.replace('http:', 'https:')}/there"))
    transfer(Source(url, ("up",)), partial, ignore, HASTE, build_opener(Clear()))
    assert partial.path.read_bytes() == CONTENT


def test_a_server_that_falls_silent_is_given_up(server: Server, partial: Partial) -> None:
    end = threading.Event()

    url = server.serve("/big.bin", lambda _handler: end.wait(20))
    try:
        with pytest.raises(UserError, match=r"sends nothing any more|timed out"):
            transfer(Source(url, ("big.bin",)), partial, ignore, Patience(timeout=0.2, attempts=2, pause=0.01))
    finally:
        end.set()
    assert len(server.asked) == 2


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
def test_where_nobody_is_there_it_is_told_at_once(partial: Partial, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr("seqvise.download.transfer.time.sleep", lambda _seconds: pytest.fail("asked again"))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(
        UserError, match=rf"cannot be reached .*Fetch http://{host}/big\.bin by hand, put it at {partial.target}"
    ):
        transfer(Source(f"http://{host}/big.bin", ("big.bin",)), partial, ignore, HASTE)


def test_a_net_that_goes_away_on_the_way_is_waited_for(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file(stop=70_000), file())
    calls = 0

    class Once(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise URLError(socket.gaierror(-3, "Temporary failure in name resolution"))
            return super().http_open(req)

    transfer(Source(url, ("big.bin",)), partial, ignore, HASTE, build_opener(Once()))
    assert partial.path.read_bytes() == CONTENT


def test_no_room_is_told_before_a_byte_is_written(
    server: Server, partial: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqvise.download.sources.shutil.disk_usage", lambda _path: SimpleNamespace(free=150_000))
    url = server.serve("/big.bin", file())
    with pytest.raises(UserError, match=r"needs 200\.0 kB in .*, but only 150\.0 kB are free there"):
        transfer(Source(url, ("big.bin",)), partial, ignore, HASTE)
    assert not partial.path.exists()


def test_the_size_is_told_before_the_first_byte(server: Server, partial: Partial) -> None:
    url = server.serve("/big.bin", file(stop=70_000), file())
    told: list[tuple[str, int, int | None]] = []
    transfer(Source(url, ("big.bin",)), partial, lambda *what: told.append(what), HASTE)
    assert told[0] == (f"fetching {url}", 0, 200_000)
    assert told[-1] == (f"fetching {url}", 200_000, 200_000)
    counts = [done for _, done, _ in told]
    assert counts == sorted(counts)


def test_pauses_grow_to_a_bound() -> None:
    assert [Patience(pause=1.0, longest=5.0).after(failures) for failures in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]
