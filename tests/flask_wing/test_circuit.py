"""Redis is down: what the visitors of a Flask application are told."""

from __future__ import annotations

import pytest
from flask import Flask

from redis_pool_ext import get_redis

from ..support.outages import TIMEOUT, CircuitContract, Site
from ..support.proxy import FaultyProxy
from .support import make_app, pool_of


class TestCircuit(CircuitContract):
    """The contract, on Flask."""

    @pytest.fixture
    def site(self, proxy: FaultyProxy) -> Site:
        """An application with a view that uses Redis once, and one that does so twice."""
        app = make_app(proxy.url, timeout=TIMEOUT)
        pool = pool_of(app)
        pool.resize(4)
        site = Site(pool, lambda: ask(app, "/hit"), lambda: ask(app, "/twice"), [])

        @app.get("/twice")
        def twice() -> str:
            get_redis().incr("hits")
            for happen in site.between:
                happen()
            return str(get_redis().incr("hits"))

        return site


def ask(app: Flask, path: str) -> tuple[int, str | None]:
    response = app.test_client().get(path)
    return response.status_code, response.headers.get("Retry-After")
