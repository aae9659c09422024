# mypy: disable-error-code="no-untyped-call"
"""All clients of a server as that sees them: other machines' processes, too.

Asked on a connection of its own, so that a pool that is exhausted can be looked at; within a
deadline, whatever the server does; and seldom, however many look.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import redis
from redis._parsers.helpers import parse_client_list, parse_info

from ..aio.kinds import class_for_threads
from ..books.verdict import without_secrets
from ..connecting.dial import DialledConnection
from ..deadline import Deadline
from ..errors import RedisPoolError
from ..forks import ProcessLock
from ..pooling.base import PoolBase, all_pools
from ..wire.guards import put_in_front
from .clients import clients_by_name
from .projects import address_of

__all__ = ["ask_servers"]

# Seconds. CLIENT LIST costs the server something for each of its clients.
_PATIENCE = 1.0
_KEPT = 5.0

_QUESTIONS = (("CLIENT", "ID"), ("CLIENT", "LIST"), ("INFO", "clients"))

_GROUPS = 100  # that are told, the largest first

# Held by the one who asks; others get what was said last.
_lock = ProcessLock()
_said: dict[str, dict[str, Any]] = {}
_asked_at = -_KEPT


def ask_servers(*, timeout: float = _PATIENCE, kept: float = _KEPT) -> list[dict[str, Any]]:
    """Return, for each server of this process's pools, its clients by name and address.

    Plain data. All are asked at the same time, within `timeout` seconds together; not again for
    `kept` seconds. Of a server that cannot be asked, `error` says why.
    """
    global _asked_at  # noqa: PLW0603
    pools = {
        address_of(pool.connection_kwargs, pool.connection_class): pool for pool in all_pools()
    }
    lock = _lock.mine()
    if (monotonic() - _asked_at >= kept or not pools.keys() <= _said.keys()) and lock.acquire(
        blocking=False
    ):
        try:
            _ask_all(pools, Deadline(timeout))
            _asked_at = monotonic()
        finally:
            lock.release()
    return [_said.get(address, _unknown(address)) for address in pools]


def _ask_all(pools: dict[str, PoolBase], deadline: Deadline) -> None:
    if not pools:
        return
    with ThreadPoolExecutor(min(len(pools), 16)) as crowd:
        answers = crowd.map(lambda address: _ask(address, pools[address], deadline), pools)
        _said.update({answer["server"]: answer for answer in answers})


def _unknown(address: str) -> dict[str, Any]:
    return {"server": address, "at": None, "error": "is being asked"}


def _ask(address: str, pool: PoolBase, deadline: Deadline) -> dict[str, Any]:
    said = {"server": address, "at": time.time()}
    try:
        clients, info = _converse(pool, deadline)
    except (redis.RedisError, RedisPoolError, OSError, TypeError) as error:
        return said | {"error": f"{type(error).__name__}: {error}"}
    return said | {
        "error": None,
        # Without the one that asks; a proxy in between may not tell.
        "connected": info.get("connected_clients", clients.total() + 1) - 1,
        "maxclients": info.get("maxclients"),
        "blocked": info.get("blocked_clients"),
        "clients": _largest(clients),
    }


def _converse(
    pool: PoolBase, deadline: Deadline
) -> tuple[Counter[tuple[str, str]], dict[str, Any]]:
    """Ask on a new connection with the pool's settings; raises redis-py's errors."""
    answers: list[Any] = []

    def converse(connection: Any) -> None:
        connection.on_connect()
        for question in _QUESTIONS:
            connection.send_command(*question, check_health=False)
        answers.extend([connection.read_response() for _ in _QUESTIONS])

    # `retry`: a pool for tasks has one for tasks. Without it, redis-py has none.
    arguments = {name: value for name, value in pool.connection_kwargs.items() if name != "retry"}
    kind: type[Any] = put_in_front(DialledConnection, class_for_threads(pool.connection_class))
    connection = kind(**arguments | {"redis_connect_func": converse})
    connection.contexts = pool.contexts
    try:
        # In the handshake: there, each single step is cut to the deadline.
        connection.open(deadline)
    except redis.RedisError as error:  # in whose words the server may quote the handshake
        names = (arguments.get("password"), arguments.get("username"), *connection.said)
        raise without_secrets(error, names) from None
    finally:
        connection.disconnect()
    me, clients, info = answers
    return clients_by_name(parse_client_list(clients), me), parse_info(info)


def _largest(clients: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "address": host, "connections": count}
        for (name, host), count in clients.most_common(_GROUPS)
    ]
