"""What both pools are: their settings, their clients, and a child's new beginning.

`RedisPool` is for threads, `AsyncRedisPool` for an event loop; they differ in what waits.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ..books.ledger import Ledger
from ..books.life import Life
from ..books.terms import Terms
from ..config import PoolConfig, check_connection_arguments, check_pool_arguments
from ..connecting.credentials import take_password_from
from ..connecting.rotation import follow
from ..connecting.tls import Contexts
from ..forks import getpid, in_child
from ..observing import on_change, reported
from ..sizing import bygone
from ..sizing.history import History
from .interface import PoolInterface
from .looking import Looking
from .upkeep import Upkeep

if TYPE_CHECKING:
    from redis.retry import Retry

__all__ = ["PoolBase", "all_pools", "every_pool", "on_new_pool"]


class PoolBase(PoolInterface, Upkeep, Looking):
    """The part of a pool that says what it is; `RedisPool` tells what its arguments mean."""

    # What connects where nothing else is said.
    _connects_by: type[Any]

    def __init__(  # noqa: PLR0913  reads like redis-py's constructor, one argument a setting
        self,
        connection_class: type[Any] | None = None,
        max_connections: int = 16,
        timeout: float = 2.0,
        *,
        alias: str = "default",
        max_waiting: int | None = None,
        queue_discipline: str = "fifo",
        queue_target: float = 0.1,
        queue_interval: float = 1.0,
        reserved: Mapping[str, int] | None = None,
        max_connecting: int = 2,
        hold: str = "request",
        min_idle: int = 0,
        max_idle: int | None = None,
        idle_timeout: float | None = 300.0,
        max_lifetime: float | None = 1800.0,
        validate_after: float | None = 30.0,
        leak_detection_threshold: float | None = None,
        housekeeping_interval: float | None = 30.0,
        **connection_kwargs: Any,
    ) -> None:
        check_pool_arguments(
            max_connections=max_connections,
            timeout=timeout,
            max_waiting=max_waiting,
            queue_discipline=queue_discipline,
            queue_target=queue_target,
            queue_interval=queue_interval,
            reserved=reserved,
            max_connecting=max_connecting,
            hold=hold,
            min_idle=min_idle,
            max_idle=max_idle,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            validate_after=validate_after,
            leak_detection_threshold=leak_detection_threshold,
            housekeeping_interval=housekeeping_interval,
        )
        check_connection_arguments(connection_kwargs)
        take_password_from(connection_kwargs)
        PoolInterface.__init__(self, connection_class or self._connects_by, connection_kwargs)
        Upkeep.__init__(self)
        self.alias = alias
        self.timeout: float = float(timeout)
        self.max_connections = max_connections
        self.terms: Terms = Terms(
            max_waiting=max_waiting,
            queue_discipline=queue_discipline,
            queue_target=queue_target,
            queue_interval=queue_interval,
            reserved=reserved,
        )
        self.max_connecting = max_connecting
        self.hold = hold
        self.min_idle = min_idle
        self.life: Life = Life(
            max_idle=max_idle,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            validate_after=validate_after,
        )
        self.leak_detection_threshold = leak_detection_threshold
        self.housekeeping_interval = housekeeping_interval
        self._lock, self._ledger, self._pid = self._new_books(closed=False)
        self.history: History = History(self)
        self.contexts: Contexts = Contexts()
        self._start_clients()
        _pools.add(self)
        self.heed_observers()  # after that: who begins to observe meanwhile finds it
        bygone.remember(self._ledger)
        follow(connection_kwargs.get("credential_provider"), self)
        for welcome in tuple(_welcomes):
            welcome(self)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Self:
        """Return a pool for `url`; its query takes redis-py's and the pool's arguments.

        Raises `ConfigError` for a URL it cannot read, or an argument given twice with
        different values.
        """
        return cls.from_config(PoolConfig.from_url(url, **kwargs))

    @classmethod
    def from_config(cls, config: PoolConfig) -> Self:
        """Return a pool as one entry of `REDIS_POOLS` describes it."""
        config.require_one_server(cls.__name__)
        return cls(**config.pool_arguments())

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.alias}" {self.stats().summary()}>'

    @property
    def max_waiting(self) -> int | None:
        """How many may wait at a time; None for any number."""
        return self.terms.max_waiting

    # -- redis-py's odds and ends ---------------------------------------------------------

    def _start_clients(self) -> None:
        """Make what makes clients: at birth, and in the child after a fork.

        redis-py's clients have locks; those of the parent may be locked for good.
        """
        raise NotImplementedError

    def set_retry(self, retry: Retry) -> None:
        """Set the retry policy of all connections, those that are out included."""
        self._notice_fork()
        self.connection_kwargs["retry"] = retry
        with self._lock:
            slots = self._ledger.slots()
        for slot in slots:
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None:
                connection.retry = retry

    def owns_connection(self, connection: Any) -> bool:
        """Tell whether `connection` was made by this pool in this process."""
        return getattr(connection, "home", None) is self._ref and not connection.is_inherited

    def get_connection_count(self) -> list[tuple[int, dict[str, Any]]]:
        """Return (count, OpenTelemetry attributes) of the idle and the used connections.

        Nothing, while `redis_pool_ext.metrics.opentelemetry` reports them: redis-py asks for
        this to do the same, and they would count twice.
        """
        if reported[0]:
            return []
        stats = self.stats()
        name = {"db.client.connection.pool.name": self.alias}
        return [
            (stats.idle, {**name, "db.client.connection.state": "idle"}),
            (stats.in_use, {**name, "db.client.connection.state": "used"}),
        ]

    def _at_home(self, act: Callable[..., Any], *args: Any) -> None:
        """Do what waits for nothing where the sockets may be touched: here, in any thread."""
        act(*args)

    def credentials_changed(self) -> None:
        """Begin anew with other credentials, as `drain()` does; from whatever thread."""
        self._at_home(self.drain)

    def follows(self, before: PoolBase) -> bool:
        """Tell whether this pool is in the place of `before`, whose event loop is closed."""
        return False

    # -- fork --------------------------------------------------------------------------

    def after_fork(self) -> None:
        """Start anew in the child: the parent's sockets are closed here, not shut down."""
        before = self._ledger
        if self._pid != os.getpid():
            self._start_clients()
            self._begin_anew(before)

    def _begin_anew(self, before: Ledger) -> None:
        """Close all connections, and open books with nothing in them."""
        # Those that are out, too: a `with` block that unwinds in the child would talk on
        # the parent's socket.
        for slot in before.slots():
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None:
                connection.retire()
        books = self._new_books(closed=before.is_closed, paused=before.is_paused)
        books[1].go_on_counting(before)
        if self._ledger is before:  # else a signal handler came meanwhile, and uses its own
            self._lock, self._ledger, self._pid = books
            self.history = History(self)
            self.heed_observers()
            bygone.remember(self._ledger)


_pools: weakref.WeakSet[PoolBase] = weakref.WeakSet()


def all_pools() -> list[PoolBase]:
    """Return the pools of this process that are not closed, however they were made."""
    return [pool for pool in list(_pools) if not pool.is_closed]


def every_pool() -> list[PoolBase]:
    """Return the pools of this process, those included that are closed and still in use."""
    return list(_pools)


_welcomes: list[Callable[[PoolBase], None]] = []


def on_new_pool(welcome: Callable[[PoolBase], None]) -> Callable[[], None]:
    """Have `welcome` called with each pool that is made from now on; return what ends that.

    It is called by the maker of the pool, perhaps under a lock: it must not wait.
    """
    _welcomes.append(welcome)
    return partial(_welcomes.remove, welcome)


@on_change
def _heed_observers() -> None:
    getpid()  # in a child that nobody told of its fork, their locks may be locked
    for pool in every_pool():
        pool.heed_observers()


@in_child
def _start_anew() -> None:
    for pool in list(_pools):
        pool.after_fork()
