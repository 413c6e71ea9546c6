"""A local server for the tests of this package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.download.server import Server, running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A local server; proxies are disabled."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with running() as started:
        yield started
