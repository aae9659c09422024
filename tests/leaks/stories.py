"""Leaks that take more than two borrowers in turn: a story each, told on both pools."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cache import CacheConfig
from redis.credentials import StreamingCredentialProvider
from redis.retry import Retry

from redis_pool_ext import ConfigError, RedisPool
from tests.support.proxy import FaultyProxy
from tests.support.threads import wait_until

from .borrowers import pinned
from .table import SETTINGS, Setting

__all__ = ["STORIES", "Story"]


@dataclass(kw_only=True)
class Stage:
    """Where a story is told: a server, a link, and pools of one kind."""

    address: dict[str, Any]
    pool_class: type[Any]
    admin: redis.Redis
    pools: list[Any] = field(default_factory=list)

    def pool(self, **options: Any) -> Any:
        self.pools.append(self.pool_class(**{"max_connections": 1, **self.address, **options}))
        return self.pools[-1]


def _name_of(function: Callable[[], object]) -> object:
    """Return what a function returns, or the name of the error that it raises."""
    try:
        return function()
    except redis.RedisError as error:
        return type(error).__name__


def double_release(stage: Stage) -> object:
    pool = stage.pool(max_connections=2)
    one, _other = pool.get_connection(), pool.get_connection()
    pool.release(one)
    try:
        pool.release(one)
    except redis.RedisError as error:
        return type(error).__name__
    return _name_of(lambda: pool.get_connection() is pool.get_connection())


def fork(stage: Stage) -> object:
    with pinned(stage.pool()) as client:
        client.ping()
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                client.select(3)
            os._exit(0)
        os.waitpid(pid, 0)
        return client.client_info()["db"]


def shared_pool_closed(stage: Stage) -> object:
    pool = stage.pool()
    with redis.Redis(connection_pool=pool).pipeline() as pipe:
        pipe.watch("watched")
        redis.Redis.from_pool(pool).close()
        is_cut = pipe.connection._sock is None
        stage.admin.set("watched", "changed")
        pipe.multi()
        pipe.set("watched", "overwritten")
        return _name_of(pipe.execute), "cut" if is_cut else "not cut"


def reconnects(*state: Any) -> Callable[[Stage], object]:
    def happens(stage: Stage) -> object:
        with pinned(stage.pool(retry=Retry(NoBackoff(), 2))) as client:
            number = client.client_id()
            client.execute_command(*state)
            stage.admin.client_kill_filter(_id=number)
            return _name_of(lambda: client.set("k", 1) and client.client_info()["db"])

    return happens


class Credentials(StreamingCredentialProvider):
    """Tokens for Alice, renewed when the story says so."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Any], None]] = []

    def get_credentials(self) -> tuple[str, str]:
        return "alice", "secret"

    def on_next(self, callback: Callable[[Any], None]) -> None:
        self.listeners.append(callback)

    def on_error(self, callback: Callable[[Exception], None]) -> None:
        pass

    def is_streaming(self) -> bool:
        return True

    def renew(self) -> None:
        for listener in self.listeners:
            listener(self)

    def try_get(self, _key: str) -> str:
        return "alice"

    def get_value(self) -> str:
        return "secret"


def renewed_token(pin: Callable[[Any], Any]) -> Callable[[Stage], object]:
    def happens(stage: Stage) -> object:
        credentials = Credentials()
        pool = stage.pool(credential_provider=credentials)
        with pin(pool) as alice:
            alice.ping()
        bob = pool.get_connection()
        bob.send_command("ECHO", "mine")
        with suppress(redis.ConnectionError):
            credentials.renew()
        pool.re_auth_callback(credentials)
        seen = _name_of(bob.read_response)
        pool.release(bob)
        return seen

    return happens


def by_redis_py(pool: Any) -> redis.Redis:
    return redis.Redis(connection_pool=pool, single_connection_client=True)


def shared_cache(stage: Stage) -> object:
    """Read a key that another connection has cached, while that one waits for a reply."""
    try:
        pool = stage.pool(max_connections=2, socket_timeout=0.5, cache_config=CacheConfig())
    except ConfigError as error:
        return type(error).__name__
    stage.admin.set("k", 1)
    carol = redis.Redis(connection_pool=pool)
    carol.get("k")
    bob = pool.get_connection()
    bob.send_command("ECHO", "mine")
    wait_until(bob.can_read)
    carol.get("k")
    return _name_of(bob.read_response)


def unwatch_times_out(stage: Stage) -> object:
    is_ours = stage.pool_class is RedisPool
    options = {"hold": "command"} if is_ours else {}  # borrows and returns as redis-py does
    with FaultyProxy(stage.address["port"]) as link:
        pool = stage.pool(port=link.port, socket_timeout=0.5, **options)
        with pool.lease() if is_ours else redis.Redis(connection_pool=pool) as client:
            pipe = client.pipeline()
            pipe.watch("watched")
            link.swallow()
            with suppress(redis.TimeoutError):
                pipe.reset()
            link.resume()
            return _name_of(lambda: redis.Redis(connection_pool=pool).echo("mine"))


# -- the table, second part ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens, how it ends on plain redis-py (`leaked`) and on our pool (`ours`).

    `means` says the latter in words.
    """

    name: str
    how: str
    sees: str
    happens: Callable[[Stage], object]
    leaked: Any
    ours: Any
    means: str
    plain_pool: type[Any] = redis.ConnectionPool
    settings: tuple[Setting, ...] = tuple(SETTINGS)

    def __str__(self) -> str:
        return self.name


_RESP3 = tuple(setting for setting in SETTINGS if setting.protocol == 3)
_NEAR = tuple(setting for setting in SETTINGS if not setting.is_far)

STORIES = [
    Story(
        name="double release",
        how="release(c) twice, on BlockingConnectionPool",
        sees="two borrowers get the same connection",
        happens=double_release,
        leaked=True,
        ours="LeaseError",
        means="the second one is refused",
        plain_pool=redis.BlockingConnectionPool,
    ),
    Story(
        name="double release: ConnectionPool",
        how="release(c) twice, on ConnectionPool",
        sees="nothing of it: the second one is ignored",
        happens=double_release,
        leaked="MaxConnectionsError",
        ours="LeaseError",
        means="the second one is refused",
    ),
    Story(
        name="fork",
        how="SELECT 3 in a forked child, on its parent's pinned client",
        sees="the parent goes on in database 3",
        happens=fork,
        leaked=3,
        ours=0,
        means="refused in the child",
    ),
    Story(
        name="shared pool closed",
        how="Redis.from_pool(pool).close() while another one WATCHes",
        sees="EXEC overwrites what has changed since",
        happens=shared_pool_closed,
        leaked=([True], "cut"),
        ours=("WatchError", "not cut"),
        means="who is at work is not cut off",
    ),
    *(
        Story(
            name=f"silent reconnect: {state[0]}",
            how=f"the socket of a pinned client drops after {state[0]}",
            sees="goes on in database 0, outside of any transaction",
            happens=reconnects(*state),
            leaked=0,
            ours="LeaseStateLostError",
            means="told: LeaseStateLostError",
        )
        for state in (("SELECT", 3), ("MULTI",), ("WATCH", "watched"))
    ),
    Story(
        name="renewed token",
        how="a token is renewed when the pinned client that knew it is gone",
        sees="AUTH's reply in place of its own",
        happens=renewed_token(pinned),
        leaked=b"OK",
        ours=b"mine",
        means="nothing is sent where somebody is at work",
    ),
    Story(
        name="renewed token: single_connection_client",
        how="the same, pinned with redis-py's single_connection_client",
        sees="AUTH's reply in place of its own",
        happens=renewed_token(by_redis_py),
        leaked=b"OK",
        ours=b"mine",
        means="nothing is sent where somebody is at work",
    ),
    Story(
        name="client-side cache",
        how="cache_config: a hit drains the socket that filled the cache",
        sees="no reply: it was thrown away",
        happens=shared_cache,
        leaked="TimeoutError",
        ours="ConfigError",
        means="refused: ConfigError",
        settings=_RESP3,
    ),
    Story(
        name="UNWATCH times out",
        how="pipeline.reset() on a server that does not answer",
        sees="no connection: the slot is lost with the pipeline",
        happens=unwatch_times_out,
        leaked="MaxConnectionsError",
        ours=b"mine",
        means="a lease's pipeline lets go",
        settings=_NEAR,
    ),
]
