"""The Redis of the demo: the user's, else one of our own, else one in this process."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

import redis

from ..config import ConfigError, PoolConfig
from ..embedded import EmbeddedRedis, NoRedisServerError
from ..errors import PoolUnavailableError
from ..pool import RedisPool
from ..url_grammar import hide_secrets
from .failure import INSTALL, DemoError
from .limits import MAX_CONNECTIONS, TIMEOUT
from .needs import is_installed

__all__ = ["Server", "find_server"]

# Nothing in the demo waits for ever on a server that does not answer, in seconds.
PATIENCE = {"socket_timeout": 5.0, "socket_connect_timeout": 5.0}


def find_server(url: str | None, stack: ExitStack) -> Server:
    """Return the server at `url`, or start one, which stops with the `stack`.

    Raises `DemoError` when there is none, or it does not answer.
    """
    server = _users_server(url) if url else _own_server(stack)
    server.check()
    stack.callback(server.close)
    return server


def _users_server(url: str) -> Server:
    return Server(url, f"the server at {hide_secrets(url)}", is_ours=False)


def _own_server(stack: ExitStack) -> Server:
    try:
        embedded = EmbeddedRedis()
        stack.push(embedded)  # before it starts: stopped also when that is interrupted
        embedded.start()
    except NoRedisServerError as error:
        return _server_in_process(error)
    return Server(embedded.url, f"{embedded.origin}, on port {embedded.port}")


def _server_in_process(reason: NoRedisServerError) -> Server:
    if not is_installed("fakeredis"):
        raise DemoError(
            f"The demo needs Redis, or fakeredis in its place ({INSTALL}): {reason}", status=2
        )
    return Server("fakeredis://", f"fakeredis, inside this process: {reason}")


class Server:
    """One Redis server: its address, where it came from, and what it has accepted."""

    def __init__(self, url: str, origin: str, *, is_ours: bool = True) -> None:
        self.url = url
        self.origin = origin
        self.is_ours = is_ours  # nobody else connects there
        self.is_fake: bool = url.startswith("fakeredis:")
        try:
            # With the example's limits: a URL that contradicts them is refused here.
            config = PoolConfig.from_url(url, max_connections=MAX_CONNECTIONS, timeout=TIMEOUT)
        except ConfigError as error:
            raise DemoError(f"That address cannot be used: {error}", status=2) from error
        self._options: dict[str, Any] = PATIENCE | dict(config.options)
        self._dials = Dials()
        made_of = config.connection_class
        self._class = self._dials.count(made_of) if self.is_fake else made_of
        self._clerk = self.new_client()

    def new_client(self) -> redis.Redis:
        """Return a client with a connection of its own, which `close()` closes."""
        pool = redis.ConnectionPool(connection_class=self._class, **self._options)
        return redis.Redis.from_pool(pool)

    def new_pool(self, max_connections: int) -> RedisPool:
        """Return a pool of this package."""
        return RedisPool(self._class, max_connections, **self._options)

    def check(self) -> None:
        """Raise `DemoError` when the server does not answer."""
        try:
            with self.new_pool(1) as pool, pool.lease() as client:
                client.ping()
        except PoolUnavailableError as error:
            shown = hide_secrets(self.url)
            raise DemoError(f"No Redis answers at {shown}: {error.__cause__}") from error
        except redis.RedisError as error:
            raise DemoError(f"Redis answers with a refusal: {error}") from error

    def connections_opened(self) -> int:
        """Return how many connections the server has accepted so far.

        Asked over one connection that stays open, so the asking adds none. fakeredis
        accepts nothing: there, the dials of our own clients are counted.
        """
        if self.is_fake:
            return self._dials.total
        return int(self._clerk.info("stats")["total_connections_received"])

    def close(self) -> None:
        """Close the connection that asks."""
        self._clerk.close()


class Dials:
    """Counts the connections that a connection class opens."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()  # protects the total

    def count(self, connection_class: type[Any]) -> type[Any]:
        """Return the class with a count in front of its dial."""
        dials = self

        class Counted(connection_class):  # type: ignore[misc]
            def _connect(self) -> Any:
                with dials._lock:
                    dials.total += 1
                return super()._connect()

        return Counted
