"""A small WSGI application, loaded by a server before it forks (`--preload`)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from redis_pool_ext import configure, get_pool, get_redis, lease_scope

configure({"default": {"URL": os.environ["APP_REDIS"], "MAX_CONNECTIONS": 3, "MIN_IDLE": 1}})
with get_pool().lease() as _client:  # the master uses the pool, and keeps a connection
    MASTER = {"pid": os.getpid(), "client": _client.client_id()}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what the worker's lease says."""
    with lease_scope():
        client = get_redis()
        said = {
            "pid": os.getpid(),
            "client": client.client_id(),
            "echo": client.echo(environ["QUERY_STRING"]).decode(),
            "master": MASTER,
        }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]
