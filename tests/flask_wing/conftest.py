"""An app on a pool of two connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from redis_pool_ext import RedisPool

from ..support.asked import asked
from . import kinds
from .support import make_app, pool_of

__all__ = ["asked"]


@pytest.fixture
def app(url: str) -> Flask:
    """A new app; whoever tests it adds views."""
    return make_app(url)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """The app's test client."""
    return app.test_client()


@pytest.fixture
def pool(app: Flask) -> RedisPool:
    """The app's default pool."""
    return pool_of(app)


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    kinds.runs.clear()


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """An address where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}/0"


@pytest.fixture
def down(nobody_there: str) -> Flask:
    """An app whose server is not there."""
    return kinds.make(nobody_there)
