"""One web application in a process of its own, all of whose pools refuse.

python -m benchmarks.web.refusing django redis://localhost:6379/0
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from contextlib import suppress
from itertools import product
from typing import Any

import redis

from redis_pool_ext import RedisPool, get_pool
from redis_pool_ext.scope import current_scope

from ..child import obey
from .worker import Application, _call, _environ

__all__ = ["ACCEPTS", "KINDS", "SIZES", "WORKER", "alias_of", "main"]

WORKER = "benchmarks.web.refusing"

SIZES = (16, 200)  # connections

# Why a pool refuses, and the settings that make it do so at once.
KINDS: dict[str, dict[str, Any]] = {
    "queue full": {"MAX_WAITING": 0},
    "timed out": {"TIMEOUT": 0},
    "circuit open": {},
    "pool closed": {},
}

# What curl, a browser and a program ask for.
ACCEPTS = {
    "text": "*/*",
    "HTML": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
        "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
    ),
    "JSON": "application/json",
}


def alias_of(kind: str, size: int) -> str:
    """Return the name of the pool of this size that refuses in this way."""
    return f"{kind.replace(' ', '-')}-{size}"


def main(framework: str, url: str) -> None:
    """Make application and pools, and do with them what the parent asks for."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        nobody_there = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        pools = {
            alias_of(kind, size): {
                "URL": nobody_there if kind == "circuit open" else url,
                "MAX_CONNECTIONS": size,
                **KINDS[kind],
            }
            for kind, size in product(KINDS, SIZES)
        }
        application = {"django": _django, "flask": _flask}[framework](pools)
        kept = [_make_refuse(*each) for each in product(KINDS, SIZES)]
        gc.freeze()
        worker = _Worker(application)
        obey({"page": worker.page, "run": worker.run})
        del kept


_pools: dict[str, RedisPool] = {}


def _make_refuse(kind: str, size: int) -> list[Any]:
    """Bring a pool to where it refuses; return what has to be kept for that."""
    pool = _pools[alias_of(kind, size)] = get_pool(alias_of(kind, size))
    if kind == "pool closed":
        pool.close()
    elif kind == "circuit open":
        while pool.stats().circuit == "closed":
            with suppress(redis.ConnectionError):
                pool.get_connection()
        pool._ledger.circuit.next_probe += 3600.0  # nobody looks: a dial is not measured
    else:
        patience, pool.timeout = pool.timeout, 5.0
        held = [pool.get_connection() for _ in range(pool.max_connections)]
        pool.timeout = patience
        for connection in held:  # so that there is a hold to tell of
            pool.release(connection)
        return [pool.get_connection() for _ in range(pool.max_connections)]
    return []


def _ask(alias: str) -> Any:
    """Run one command on the request's lease; `get_redis()` would replace a closed pool."""
    scope = current_scope()
    assert scope is not None
    return scope.client(_pools[alias]).get("key")  # type: ignore[no-any-return,unused-ignore]


class _Worker:
    def __init__(self, application: Application) -> None:
        self._application = application

    def page(self, path: str, accept: str) -> tuple[str, dict[str, str], str]:
        """Return the status, the headers and the body of one request."""
        status, headers, body = _call(self._application, self._environ(path, accept))
        return status, dict(headers), body.decode()

    def run(self, path: str, accept: str, number: int) -> float:
        """Do the request so many times; return seconds of this thread's CPU time per request.

        Nothing of it waits, so on a quiet machine that is what the clock says.
        """
        gc.collect()
        began = time.thread_time()
        for _ in range(number):
            status, _headers, _body = _call(self._application, self._environ(path, accept))
        seconds = time.thread_time() - began
        if status[:3] != ("200" if path == "/plain" else "503"):
            raise RuntimeError(f"{path} answers {status}")
        return seconds / number

    def _environ(self, path: str, accept: str) -> dict[str, Any]:
        return _environ(path) | {"HTTP_ACCEPT": accept}


def _django(pools: dict[str, Any]) -> Application:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def plain(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"")

    def refused(_request: HttpRequest, alias: str) -> HttpResponse:
        return HttpResponse(_ask(alias))

    engine = "django.template.backends.django.DjangoTemplates"
    settings.configure(
        ROOT_URLCONF=(path("plain", plain), path("<str:alias>", refused)),
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", _APP],
        MIDDLEWARE=[f"{_APP}.middleware.RedisPoolMiddleware"],
        TEMPLATES=[{"BACKEND": engine, "APP_DIRS": True}],
        REDIS_POOLS=pools | {"default": next(iter(pools.values()))},
    )
    django.setup(set_prefix=False)
    return WSGIHandler()


_APP = "redis_pool_ext.django"


def _flask(pools: dict[str, Any]) -> Application:
    from flask import Flask

    from redis_pool_ext import configure
    from redis_pool_ext.flask import FlaskRedisPool

    app = Flask(__name__)
    app.config["REDIS_POOLS"] = pools
    FlaskRedisPool(app)
    app.add_url_rule("/plain", view_func=lambda: b"", endpoint="plain")

    app.add_url_rule("/<alias>", view_func=_ask)
    configure(pools)  # for get_pool() outside of the app's contexts
    return app


if __name__ == "__main__":
    main(*sys.argv[1:])
