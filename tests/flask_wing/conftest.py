"""An app on a pool of two connections."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from redis_pool_ext import RedisPool

from .support import make_app, pool_of


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
