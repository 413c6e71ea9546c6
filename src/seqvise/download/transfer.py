"""The bytes of an address into a partial file, gone on with where an earlier attempt broke off."""

from __future__ import annotations

import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, Request

from seqvise import __version__
from seqvise.download.partial import Partial, Version
from seqvise.download.sources import Source, Watch, require_room
from seqvise.errors import UserError


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects; a loop, another scheme or a step down to HTTP is an error."""

    max_redirections = 5
    max_repeats = 2
    inf_msg = "it is redirected without end: "

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows, or HTTPError where it must not be made."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and after != before:
            raise HTTPError(req.full_url, code, f"it is redirected from {before} to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def build_opener(*others: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """An opener without file:, ftp: and data: addresses, which a server could redirect to. others: in place of ours."""
    opener = urllib.request.OpenerDirector()
    standard: tuple[urllib.request.BaseHandler, ...] = (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        Redirects(),
    )
    kept = [handler for handler in standard if not any(isinstance(other, type(handler)) for other in others)]
    for handler in (*kept, *others):
        opener.add_handler(handler)
    return opener


CHUNK = 1 << 18
PROGRESS = 1 << 20
"""An attempt that brings fewer bytes counts as one that failed."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which asking again can help."""
HOPELESS = (socket.gaierror, ssl.SSLCertVerificationError, ConnectionRefusedError)
"""Why the first attempt failed where a second would too: no net, no such name, nobody there."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to ask again.

    Attributes:
        timeout: seconds without a byte after which a connection is given up.
        attempts: in a row that bring nothing, after which the transfer is.
        pause: seconds after the first failure; doubled after each that follows.
        longest: seconds of a pause, at most.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0
    longest: float = 30.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.pause * 2.0 ** (failures - 1), self.longest)


class BrokenOffError(Exception):
    """The transfer did not end, but asking again may help. hopeless: at least where nothing worked before."""

    def __init__(self, reason: str, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class RefusedError(Exception):
    """The server does not give the file, and asking again does not help."""


def transfer(
    source: Source, partial: Partial, watch: Watch, patience: Patience, opener: OpenerDirector | None = None
) -> None:
    """Fills a partial file to its whole length; what it holds has still to be checked.

    Raises:
        UserError: the server cannot be reached, refuses, names another size than the source or none, or breaks off
            again and again; or the disk has no room. The partial file stays for another time.
    """
    opener = opener or build_opener()
    failed, best = 0, partial.done()
    while True:
        try:
            _attempt(source, partial, watch, patience, opener)
            return
        except RefusedError as error:
            raise _given_up(source, partial, str(error)) from None
        except BrokenOffError as error:
            brought = max(partial.done() - best, 0)
            best += brought
            failed = 1 if brought >= PROGRESS else failed + 1
            if failed >= patience.attempts or (error.hopeless and failed == 1 and not brought):
                raise _given_up(source, partial, str(error)) from None
        time.sleep(patience.after(failed))


def _attempt(source: Source, partial: Partial, watch: Watch, patience: Patience, opener: OpenerDirector) -> None:
    known = partial.version(source.url)
    done = partial.done() if known else 0
    if known and done == known.size:
        return
    with closing(_open(_request(source.url, known, done), patience, opener, partial)) as response:
        version = _version(source, response, done)
        if response.status == 206:
            if known is None or not known.agrees(version):
                partial.remove()
                raise BrokenOffError("the file was changed at the server")
        else:
            done = 0
        require_room(partial.path.parent, round(version.size * (1 + source.growth)) - done, source.url)
        if not done:
            partial.begin(version)
        _copy(source, response, partial, version.size, watch)


def _request(url: str, known: Version | None, done: int) -> Request:
    headers = {"User-Agent": f"seqvise/{__version__}", "Accept-Encoding": "identity"}
    if known is not None and known.validator is not None and done:
        # Without If-Range the end of a new file would be glued to the beginning of the old one.
        headers |= {"Range": f"bytes={done}-", "If-Range": known.validator}
    return Request(url, headers=headers)


def _open(request: Request, patience: Patience, opener: OpenerDirector, partial: Partial) -> HTTPResponse:
    try:
        return cast(HTTPResponse, opener.open(request, timeout=patience.timeout))
    except HTTPError as error:
        with closing(error):
            raise _answered(error, partial) from None
    except URLError as error:
        raise BrokenOffError(f"it cannot be reached ({error.reason})", isinstance(error.reason, HOPELESS)) from None
    except (OSError, HTTPException) as error:
        raise BrokenOffError(_reason(error)) from None


def _answered(error: HTTPError, partial: Partial) -> Exception:
    if error.code == 416:
        partial.remove()
        return BrokenOffError("the server has no more of the file than is there already")
    if error.code in PASSING:
        return BrokenOffError(f"the server answers {error.code} {error.reason}")
    if 300 <= error.code < 400:
        return RefusedError(str(error.reason))
    return RefusedError(f"the server answers {error.code} {error.reason}")


def _version(source: Source, response: HTTPResponse, done: int) -> Version:
    """The version that a response is of, with the size of the whole."""
    size = _whole_size(response.status, response.headers, done)
    if size is None:
        raise RefusedError("the server does not say how large it is")
    if source.size is not None and size != source.size:
        raise RefusedError(f"it has {size:,} bytes at the server, but should have {source.size:,}")
    return Version.of(source.url, size, response.headers)


def _whole_size(status: int, headers: Message, done: int) -> int | None:
    if status != 206:
        length = str(headers.get("Content-Length", "")).strip()
        return int(length) if length.isascii() and length.isdigit() else None
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", str(headers.get("Content-Range", "")).strip(), re.ASCII)
    if found is None or not done == int(found[1]) <= int(found[2]) < int(found[3]):
        raise BrokenOffError("the server answers with another part of it than was asked for")
    return int(found[3])


def _copy(source: Source, response: HTTPResponse, partial: Partial, size: int, watch: Watch) -> None:
    task, done = f"fetching {source.url}", partial.done()
    watch(task, done, size)
    with partial.path.open("ab") as file:
        for chunk in _chunks(response):
            if done + len(chunk) > size:
                raise BrokenOffError(f"the server sends more than the {size:,} bytes that it named")
            file.write(chunk)
            done += len(chunk)
            watch(task, done, size)
    if done < size:
        raise BrokenOffError(f"it broke off after {done:,} of {size:,} bytes")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """The body; what goes wrong in the net is told apart from what goes wrong on the disk."""
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise BrokenOffError(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server sends nothing any more"
    return f"the connection broke ({str(error) or type(error).__name__})"


def _given_up(source: Source, partial: Partial, reason: str) -> UserError:
    kept = f" The {partial.done():,} bytes fetched so far are kept." if partial.done() else ""
    return UserError(f"{source.url} cannot be fetched: {reason}. {source.by_hand(partial.target.parent)}{kept}")
