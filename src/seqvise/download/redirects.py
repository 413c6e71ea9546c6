"""Opening an address: HTTP and HTTPS only, and never from the second to the first."""

from __future__ import annotations

import urllib.request
from http.client import HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit


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
