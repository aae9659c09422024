"""The leased client and redis-py's own, with the same options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.client import LeasedRedis

from ..faults.parsers import IS_LONG, PARSERS
from .recorder import Recorder, assert_same

HAS_UNIFIED_RESPONSES = int(redis.__version__.split(".")[0]) >= 8

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "as-it-comes": {},
    **PARSERS,
    **{f"{name}-decoded": {**PARSERS[name], "decode_responses": True} for name in PARSERS},
    "resp2-hiredis-ascii-replaced": {
        "protocol": 2,
        "decode_responses": True,
        "encoding": "ascii",
        "encoding_errors": "replace",
    },
    "resp3-python-latin1": {
        **PARSERS["resp3-python"],
        "decode_responses": True,
        "encoding": "latin-1",
    },
}
if HAS_UNIFIED_RESPONSES:
    CONFIGURATIONS |= {
        f"{name}-unified": {**PARSERS[name], "legacy_responses": False}
        for name in ("resp2-hiredis", "resp3-hiredis", "resp2-python", "resp3-python")
    }

# What the larger sweeps run on, unless a long run was asked for.
FEW = (
    CONFIGURATIONS
    if IS_LONG
    else {name: CONFIGURATIONS[name] for name in ("resp3-hiredis", "resp2-python-decoded")}
)


class Pair(NamedTuple):
    """Two clients that are to behave the same."""

    ours: LeasedRedis
    theirs: redis.Redis

    def assert_same(self, calls: Callable[[Recorder], Any], before: Callable[[], Any]) -> None:
        """Do the same calls on both, `before()` before each, and compare what came of it."""
        logs = []
        for client in self:
            before()
            recorder = Recorder(client)
            calls(recorder)
            logs.append(recorder.log)
        assert_same(*logs)


def plain(url: str, **options: Any) -> redis.Redis:
    """Return redis-py's client on redis-py's pool, which retries no more than ours."""
    return redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, **options))


@contextmanager
def pair(url: str, **options: Any) -> Iterator[Pair]:
    theirs = plain(url, **options)
    try:
        pool = RedisPool.from_url(url, timeout=10, housekeeping_interval=None, **options)
        with pool, pool.lease() as ours:
            yield Pair(ours, theirs)
    finally:
        theirs.connection_pool.disconnect()
