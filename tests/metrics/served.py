"""A WSGI application whose workers are scraped together, and gunicorn's settings for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, multiprocess

import redis_pool_ext
from redis_pool_ext.metrics.prometheus import mirror

MAX_CONNECTIONS = 2

redis_pool_ext.configure(
    {
        "default": {
            "URL": os.environ["APP_REDIS"],
            "MAX_CONNECTIONS": MAX_CONNECTIONS,
            "TIMEOUT": 20,
        }
    }
)
mirror()
if os.environ.get("APP_WARM"):
    redis_pool_ext.get_redis().ping()  # before the workers are forked


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return [generate_latest(registry)]
    with redis_pool_ext.get_pool().lease() as client:
        client.incr("served")
    return [json.dumps(os.getpid()).encode()]


def child_exit(_server: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)
