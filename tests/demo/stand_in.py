"""A small application in place of the examples: a slow page, a quick one, and the 503."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from redis_pool_ext import RedisPool
from redis_pool_ext.demo.burst import SECOND
from redis_pool_ext.demo.example import Example
from redis_pool_ext.errors import ANSWERED_WITH_503
from redis_pool_ext.http import answer


class StandIn:
    """A WSGI application on a pool of its own.

    Its slow page holds the connection until the second wave has given up and somebody of
    the third one waits: nothing here depends on how fast the machine is. With
    `full_status` it answers something else than 503.
    """

    def __init__(self, pool: RedisPool, *, full_status: str = "503 Service Unavailable") -> None:
        self.pool = pool
        self.full_status = full_status
        self._over = threading.Event()
        self.example = Example("stand-in", self, lambda: pool, slow="/slow", quick="/quick")

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            with self.pool.lease() as client:
                client.ping()
                if environ["PATH_INFO"] == "/slow":
                    self._hold()
        except ANSWERED_WITH_503 as error:
            start_response(self.full_status, list(answer(error, None).headers.items()))
            return [b"full"]
        start_response("200 OK", [])
        return [b"fine"]

    def _hold(self) -> None:
        end = time.monotonic() + 20
        while not self._over.wait(0.005):
            assert time.monotonic() < end, "the burst did not come in waves"
            stats = self.pool.stats()
            if stats.timed_out >= SECOND and stats.waiting:
                self._over.set()
