"""The table: what each kind of command gets when each fault strikes it.

ok           nothing is noticed
timeout      redis.TimeoutError, after `socket_timeout`
closed       redis.ConnectionError, at once
garbage      redis.InvalidResponse: what came is no reply
unavailable  PoolUnavailableError: a connection had to be dialled, and could not be
watch        redis.WatchError: redis-py's word for a transaction that lost its socket
unsure       redis.TimeoutError or redis.ConnectionError, of an EXEC that may have run
lost         closed, or unavailable where the loss was seen before the command was sent
"""

from __future__ import annotations

from collections.abc import Callable

import redis

from redis_pool_ext import PoolUnavailableError

from ..support.proxy import FaultyProxy, Then

OUTCOMES: dict[str, tuple[type[BaseException] | None, ...]] = {
    "ok": (None,),
    "timeout": (redis.TimeoutError,),
    "closed": (redis.ConnectionError,),
    "garbage": (redis.exceptions.InvalidResponse,),
    "unavailable": (PoolUnavailableError,),
    "watch": (redis.WatchError,),
    "lost": (redis.ConnectionError, PoolUnavailableError),
}

# Seconds between two bytes: the shortest reply ("_\r\n") takes longer than socket_timeout.
DRIP = 0.1
# Bytes of an answer that come through: no reply is so short.
PART = 2


def _go_down(proxy: FaultyProxy) -> None:
    proxy.refuse()
    proxy.cut()


FAULTS: dict[str, Callable[[FaultyProxy], None]] = {
    "requests-lost": FaultyProxy.lose_requests,
    "answers-lost": FaultyProxy.lose_answers,
    "stalled": FaultyProxy.swallow,
    "drip": lambda proxy: proxy.drip(DRIP),
    "reset": lambda proxy: proxy.hang_up(reset=True),
    "hang-up": lambda proxy: proxy.hang_up(reset=False),
    "garbage": FaultyProxy.garble,
    "part-silence": lambda proxy: proxy.break_off(PART, Then.SILENCE),
    "part-cut": lambda proxy: proxy.break_off(PART, Then.CLOSE),
    "down": _go_down,
}

_TABLE = """
               get         set         pipeline    transaction blocking large       lease-first lease-middle cold        idle pubsub
requests-lost  timeout     timeout     timeout     timeout     timeout  timeout     timeout     timeout      unavailable ok   ok
answers-lost   timeout     timeout     timeout     timeout     timeout  timeout     timeout     timeout      unavailable ok   ok
stalled        timeout     timeout     timeout     timeout     timeout  timeout     timeout     timeout      unavailable ok   ok
drip           timeout     timeout     timeout     timeout     timeout  timeout     timeout     timeout      unavailable ok   ok
reset          closed      closed      closed      closed      closed   closed      closed      closed       unavailable ok   ok
hang-up        closed      closed      closed      closed      closed   closed      closed      closed       unavailable ok   ok
garbage        garbage     garbage     garbage     garbage     garbage  garbage     garbage     garbage      unavailable ok   garbage
part-silence   timeout     timeout     timeout     timeout     timeout  timeout     timeout     timeout      unavailable ok   unavailable
part-cut       closed      closed      closed      closed      closed   closed      closed      closed       unavailable ok   unavailable
down           unavailable unavailable unavailable watch       lost     unavailable unavailable lost         unavailable ok   unavailable
"""  # noqa: E501


def cells() -> list[tuple[str, str, str]]:
    """Return the table's cells as (fault, kind, outcome)."""
    header, *rows = [line.split() for line in _TABLE.strip().splitlines()]
    return [
        (fault, kind, outcome)
        for fault, *outcomes in rows
        for kind, outcome in zip(header, outcomes, strict=True)
    ]
