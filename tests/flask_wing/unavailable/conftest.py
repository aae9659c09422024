"""An app as it is served and as it is tested."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from ..support import make_app


@pytest.fixture(params=[False, True], ids=["production", "TESTING"])
def app(request: pytest.FixtureRequest, url: str) -> Flask:
    """The app, as it is served and as it is tested: errors must not propagate from either."""
    app = make_app(url)
    app.testing = request.param
    return app


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
