"""Downloads an address into a partial file; an interrupted transfer is resumed."""

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
from seqvise.download.sources import ProgressCallback, Source, require_space
from seqvise.errors import UserError


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a limited number of redirects; a loop, another scheme, or a redirect from HTTPS to HTTP is an error."""

    max_redirections = 5
    max_repeats = 2
    inf_msg = "it is redirected too often: "

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The redirected request.

        Raises:
            HTTPError: the redirect is not allowed.
        """
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and after != before:
            raise HTTPError(req.full_url, code, f"it is redirected from {before} to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def build_opener(*others: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """An opener for HTTP and HTTPS only: a server must not redirect to file:, ftp: or data: addresses.

    others: handlers that replace the standard handlers of their type.
    """
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
MIN_PROGRESS = 1 << 20
"""An attempt that receives fewer bytes counts as a failure."""
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which the request is repeated."""
PERMANENT = (socket.gaierror, ssl.SSLCertVerificationError, ConnectionRefusedError)
"""Errors of the first attempt that a repetition would not solve: no network, unknown host, no server."""


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts and repetitions of a transfer.

    Attributes:
        timeout: seconds without data after which a connection fails.
        attempts: consecutive failures after which the transfer fails.
        pause: seconds to wait after the first failure; doubled after each further failure.
        max_pause: maximum seconds of a pause.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0
    max_pause: float = 30.0

    def pause_after(self, failures: int) -> float:
        """Seconds to wait after a number of consecutive failures."""
        return min(self.pause * 2.0 ** (failures - 1), self.max_pause)


class TransferInterruptedError(Exception):
    """The transfer failed, but may be repeated. permanent: a first attempt that fails like this is not repeated."""

    def __init__(self, reason: str, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class TransferRefusedError(Exception):
    """The server refuses the file; the transfer is not repeated."""


def transfer(
    source: Source,
    partial: Partial,
    progress: ProgressCallback,
    retry: RetryPolicy,
    opener: OpenerDirector | None = None,
) -> None:
    """Downloads a partial file to its full length. The caller must check its content.

    Raises:
        UserError: the server cannot be reached, refuses the file, reports no size or not that of the source, or
            interrupts the transfer repeatedly; or the disk is full. The partial file is kept for a later attempt.
    """
    opener = opener or build_opener()
    failures, received = 0, partial.done()
    while True:
        try:
            _attempt(source, partial, progress, retry, opener)
            return
        except TransferRefusedError as error:
            raise _failure(source, partial, str(error)) from None
        except TransferInterruptedError as error:
            gained = max(partial.done() - received, 0)
            received += gained
            failures = 1 if gained >= MIN_PROGRESS else failures + 1
            if failures >= retry.attempts or (error.permanent and failures == 1 and not gained):
                raise _failure(source, partial, str(error)) from None
        time.sleep(retry.pause_after(failures))


def _attempt(
    source: Source, partial: Partial, progress: ProgressCallback, retry: RetryPolicy, opener: OpenerDirector
) -> None:
    known = partial.version(source.url)
    done = partial.done() if known else 0
    if known and done == known.size:
        return
    with closing(_open(_request(source.url, known, done), retry, opener, partial)) as response:
        version = _version(source, response, done)
        if response.status == 206:
            if known is None or not known.agrees(version):
                partial.remove()
                raise TransferInterruptedError("the file was changed on the server")
        else:
            done = 0
        require_space(partial.path.parent, round(version.size * (1 + source.growth)) - done, source.url)
        if not done:
            partial.begin(version)
        _copy(source, response, partial, version.size, progress)


def _request(url: str, known: Version | None, done: int) -> Request:
    headers = {"User-Agent": f"seqvise/{__version__}", "Accept-Encoding": "identity"}
    if known is not None and known.validator is not None and done:
        # Without If-Range, the rest of a changed file could be appended to the start of the old one.
        headers |= {"Range": f"bytes={done}-", "If-Range": known.validator}
    return Request(url, headers=headers)


def _open(request: Request, retry: RetryPolicy, opener: OpenerDirector, partial: Partial) -> HTTPResponse:
    try:
        return cast(HTTPResponse, opener.open(request, timeout=retry.timeout))
    except HTTPError as error:
        with closing(error):
            raise _status_error(error, partial) from None
    except URLError as error:
        raise TransferInterruptedError(
            f"it cannot be reached ({error.reason})", isinstance(error.reason, PERMANENT)
        ) from None
    except (OSError, HTTPException) as error:
        raise TransferInterruptedError(_connection_error(error)) from None


def _status_error(error: HTTPError, partial: Partial) -> Exception:
    if error.code == 416:
        partial.remove()
        return TransferInterruptedError("the server has no bytes beyond those already downloaded")
    if error.code in TRANSIENT:
        return TransferInterruptedError(f"the server answers {error.code} {error.reason}")
    if 300 <= error.code < 400:
        return TransferRefusedError(str(error.reason))
    return TransferRefusedError(f"the server answers {error.code} {error.reason}")


def _version(source: Source, response: HTTPResponse, done: int) -> Version:
    """The version of a response, with the total size."""
    size = _total_size(response.status, response.headers, done)
    if size is None:
        raise TransferRefusedError("the server does not report its size")
    if source.size is not None and size != source.size:
        raise TransferRefusedError(f"it has {size:,} bytes on the server, but should have {source.size:,}")
    return Version.of(source.url, size, response.headers)


def _total_size(status: int, headers: Message, done: int) -> int | None:
    if status != 206:
        length = str(headers.get("Content-Length", "")).strip()
        return int(length) if length.isascii() and length.isdigit() else None
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", str(headers.get("Content-Range", "")).strip(), re.ASCII)
    if match is None or not done == int(match[1]) <= int(match[2]) < int(match[3]):
        raise TransferInterruptedError("the server sends a range that was not requested")
    return int(match[3])


def _copy(source: Source, response: HTTPResponse, partial: Partial, size: int, progress: ProgressCallback) -> None:
    task, done = f"downloading {source.url}", partial.done()
    progress(task, done, size)
    with partial.path.open("ab") as file:
        for chunk in _chunks(response):
            if done + len(chunk) > size:
                raise TransferInterruptedError(f"the server sends more than the {size:,} bytes that it reported")
            file.write(chunk)
            done += len(chunk)
            progress(task, done, size)
    if done < size:
        raise TransferInterruptedError(f"it was interrupted after {done:,} of {size:,} bytes")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """The body in chunks; network errors are raised as ``TransferInterruptedError``, unlike those of the disk."""
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise TransferInterruptedError(_connection_error(error)) from None


def _connection_error(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server sends no more data"
    return f"the connection failed ({str(error) or type(error).__name__})"


def _failure(source: Source, partial: Partial, reason: str) -> UserError:
    kept = f" The {partial.done():,} bytes downloaded so far are kept." if partial.done() else ""
    advice = source.manual_download(partial.target.parent)
    return UserError(f"{source.url} cannot be downloaded: {reason}. {advice}{kept}")
