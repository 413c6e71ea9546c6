"""A local server with configurable answers, including faulty ones."""

from __future__ import annotations

import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from seqvise.download.transfer import RetryPolicy

Answer = Callable[[BaseHTTPRequestHandler], object]
QUICK_RETRY = RetryPolicy(timeout=5.0, attempts=4, pause=0.01)
CONTENT = random.Random(7).randbytes(200_000)
ETAG = '"one"'


class Server:
    """Answers requests to a path with a list of answers in turn, then repeats the last; records all requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []  # path, Range, If-Range
        self.agents: list[str | None] = []

    def serve(self, path: str, *answers: Answer) -> str:
        """Sets the answers of a path and returns its address."""
        self.answers[path] = list(answers)
        return self.url + path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        path = handler.path
        self.requests.append((path, handler.headers.get("Range"), handler.headers.get("If-Range")))
        self.agents.append(handler.headers.get("User-Agent"))
        answers = self.answers.get(path, [status(404)])
        (answers.pop(0) if len(answers) > 1 else answers[0])(handler)

    def ranges(self) -> list[str | None]:
        """The `Range` header of each request so far."""
        return [requested_range for _, requested_range, _ in self.requests]


@contextmanager
def running() -> Iterator[Server]:
    """A server in a thread, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        server = Server(f"http://127.0.0.1:{httpd.server_port}")
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            httpd.shutdown()


def file(
    content: bytes = CONTENT,
    *,
    etag: str | None = ETAG,
    modified: str | None = None,
    stop: int | None = None,
    says: int | None = None,
    ranges: bool = True,
    obeys: bool = True,
) -> Answer:
    """Answers with the content.

    Args:
        stop: bytes of the content after which the connection is closed.
        says: the total length in the headers; None for the correct one.
        ranges: whether `Range` is supported.
        obeys: whether `If-Range` is supported.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        requested_range = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        condition = handler.headers.get("If-Range")
        start = (
            int(requested_range[1])
            if requested_range and ranges and (not obeys or condition in (etag, modified))
            else 0
        )
        if start >= len(content) and requested_range:
            status(416)(handler)
            return
        total = len(content) if says is None else says
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(total - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(content[start:stop])
        cut(handler)

    return answer


def headed(code: int, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    """Answers with a status, headers and a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        cut(handler)

    return answer


def status(code: int) -> Answer:
    """Answers with a status and an empty body."""
    return headed(code, ("Content-Length", "0"))


def redirect(to: str, code: int = 302) -> Answer:
    """Answers with a redirect."""
    return headed(code, ("Location", to), ("Content-Length", "0"))


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection without an answer."""
    cut(handler)


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection."""
    handler.close_connection = True
    with suppress(OSError):  # the client may have closed it already
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_WR)
