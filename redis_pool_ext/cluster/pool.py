# mypy: disable-error-code="no-untyped-call"
"""`ClusterPool`: what its users call, shaped as a `RedisPool`."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

import redis
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..books.comeback import whole_seconds
from ..books.life import Life
from ..books.refusing import Look
from ..books.terms import Terms
from ..config import ConfigError, PoolConfig, Problem, check_pool_arguments
from ..deadline import Deadline
from ..errors import PoolUnavailableError
from ..forks import ProcessLock, getpid, in_child
from ..pooling.lending import Lending
from ..stats import PoolStats
from ..wire.spending import Spending
from .client import LeasedCluster, PooledCluster
from .engine import Engine, discover
from .lease import ClusterLease
from .nodes import NodePool, Nodes
from .operation import Operation
from .topology import Address

__all__ = ["ClusterPool"]


class ClusterPool(Lending[ClusterLease]):
    """A Redis Cluster behind the interface of `RedisPool`: a pool for each of its nodes.

    `startup_nodes` are the addresses (host, port) of which one must answer; the others are
    found out. `max_connections` bounds the connections of this process to each node, and so do
    the other arguments, which are those of `RedisPool`. `timeout` is what one command may wait
    for connections, at all its nodes together; and what it may wait for a new map of the
    cluster, if one is needed.

    Nothing connects before the first command. After a fork the child has empty pools, and a
    map, of its own. Raises `ConfigError` for an impossible argument.
    """

    _lease_class = ClusterLease

    def __init__(
        self,
        startup_nodes: Iterable[Address],
        *,
        alias: str = "default",
        retry: Retry | None = None,
        **arguments: Any,
    ) -> None:
        self.alias = alias
        self._addresses = tuple((host, int(port)) for host, port in startup_nodes)
        if arguments.pop("db", 0):
            raise ConfigError([_no_such_database()])
        self.nodes: Nodes = Nodes(alias, arguments)
        first = self.nodes.of(*self._addresses[0])  # which checks the arguments
        sizes = {"timeout": first.timeout, "max_connections": first.max_connections}
        self.nodes.settings = {**arguments, **sizes}
        self.timeout: float = first.timeout
        self.terms: Terms = first.terms
        self.max_connecting: int = first.max_connecting
        self.hold: str = first.hold
        self.min_idle: int = first.min_idle
        self.life: Life = first.life
        self.connection_class: type[Any] = first.connection_class
        # Retries are explicit: a command that was sent is not sent again.
        self.retry: Retry = Retry(NoBackoff(), 0) if retry is None else retry
        self._engine: Engine | None = None
        self._lock = ProcessLock()  # held by who asks for the first map
        self._pid = os.getpid()
        self._client: PooledCluster | None = None
        _pools.add(self)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Self:
        """Return a pool for a redis+cluster:// URL; its query takes what `RedisPool`'s does.

        Raises `ConfigError`.
        """
        return cls.from_config(PoolConfig.from_url(url, **kwargs))

    @classmethod
    def from_config(cls, config: PoolConfig) -> Self:
        """Return a pool as one entry of `REDIS_POOLS` describes it."""
        arguments = config.pool_arguments()
        if "startup_nodes" not in arguments:
            raise ConfigError([_no_cluster()])
        return cls(**arguments)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.alias}" {self.stats().summary()}>'

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- borrowing -------------------------------------------------------------------------

    def leased(self, lease: ClusterLease) -> LeasedCluster:
        """Return a client on `lease`; it connects nothing yet."""
        client = LeasedCluster.__new__(LeasedCluster)
        client.__dict__["connection_pool"] = lease
        return client

    @property
    def client(self) -> PooledCluster:
        """A client that borrows connections per command; safe to share by threads."""
        if self._client is None:
            self._client = PooledCluster(self)
        return self._client

    def engine(self, spending: Spending | None = None) -> Engine:
        """Return redis-py's engine for this cluster, which knows its map; asks for that once.

        Raises what `RedisPool.get_connection` raises, when no address answers. `spending` is
        of the budget of whoever asks.
        """
        getpid()
        engine = self._engine
        return self._discover(spending) if engine is None else engine

    def _discover(self, spending: Spending | None) -> Engine:
        operation = Operation.in_progress(None)
        if operation is None:
            operation = Operation(None, self.timeout, spending=spending)
        lock = self._lock.mine()
        with operation:
            if not lock.acquire(timeout=operation.refreshing.left):
                raise self._nobody_tells()
            try:
                if self._engine is None:
                    engine = discover(self.nodes, self._addresses, operation)
                    engine.retry = self.retry
                    self._engine = engine
                return self._engine
            finally:
                lock.release()

    def _nobody_tells(self) -> PoolUnavailableError:
        return PoolUnavailableError(
            f'the nodes of the cluster are not known yet (pool "{self.alias}"), and who asks for '
            f"them got no answer within {self.timeout:.2f} s",
            alias=self.alias,
            stats=self.stats(),
            retry_after=whole_seconds(1.0),
        )

    # -- upkeep ------------------------------------------------------------------------------

    @property
    def max_connections(self) -> int:
        """How many connections there may be to each node."""
        bound: int = self.nodes.settings["max_connections"]
        return bound

    @property
    def connection_kwargs(self) -> Mapping[str, Any]:
        """The arguments of the nodes' pools, those of their connections among them."""
        return self.nodes.settings

    def get_encoder(self) -> Encoder:
        """Return the encoder that the connections' settings ask for."""
        return self.nodes.of(*self._addresses[0]).get_encoder()

    @property
    def is_closed(self) -> bool:
        """Tell whether `close()` was called."""
        return self.nodes.is_closed

    def resize(self, max_connections: int) -> None:
        """Change how many connections there may be to each node, as `RedisPool.resize`."""
        check_pool_arguments(max_connections=max_connections, min_idle=self.min_idle)
        self.nodes.resize(max_connections)

    def drain(self) -> None:
        """Renew every connection: idle ones close now, those in use when they come back."""
        for pool in self.nodes.each():
            pool.drain()

    def pause(self) -> None:
        """Lend nothing of any node until `resume()`."""
        self.nodes.is_paused = True  # those to come, too
        for pool in self.nodes.each():
            pool.pause()

    def resume(self) -> None:
        """Lend again, first to those who have waited longest."""
        self.nodes.is_paused = False
        for pool in self.nodes.each():
            pool.resume()

    def warm_up(self, count: int | None = None, timeout: float | None = None) -> int:
        """Dial until `count` connections are idle at each primary; return how many are in all.

        As `RedisPool.warm_up`; `timeout` is for all of them together.
        """
        deadline = Deadline(max(self.timeout, 1.0) if timeout is None else timeout)
        return sum(pool.warm_up(count, deadline.remaining()) for pool in self._primaries())

    def _primaries(self) -> list[NodePool]:
        primaries: list[Any] = self.engine().get_primaries()
        return [self.nodes.of(node.host, node.port) for node in primaries]

    def probe(self, timeout: float) -> bool:
        """Have any of the nodes answer, as `RedisPool.probe`; within `timeout` seconds in all.

        Raises the last node's error where none does.
        """
        deadline, pools = Deadline(timeout), self._to_ask()
        last = pools.pop()
        for number, pool in enumerate(pools):
            with suppress(redis.RedisError, OSError):
                if pool.probe(deadline.remaining() / (len(pools) - number + 1)):
                    return True
        return last.probe(deadline.remaining())

    def _to_ask(self) -> list[NodePool]:
        """Return the pools of the nodes that are known, those first that were heard of lately."""
        for address in self._addresses:
            self.nodes.of(*address)
        return sorted(self.nodes.each(), key=lambda pool: not pool.stats().idle)

    def heard_within(self, seconds: float) -> bool:
        """Tell whether any of the nodes was heard of, as `RedisPool.heard_within`."""
        return any(pool.heard_within(seconds) for pool in self.nodes.each())

    def stats(self) -> PoolStats:
        """Return the numbers of all nodes in sum, those included that have left."""
        self._see_off()
        return self.nodes.stats()

    def turn_away(self) -> Look:
        """Look for one who is refused; each node has its own queue, so there is no wait to tell."""
        return Look(self.stats(), 0.0)

    def node_stats(self) -> dict[str, PoolStats]:
        """Return the numbers of each node by its name (host:port)."""
        self._see_off()
        return self.nodes.node_stats()

    def _see_off(self) -> None:
        """Close the pools of nodes that have left, and whose connections came back since."""
        if self._engine is not None:
            self._engine.nodes_manager.see_off()

    def close(self, timeout: float = 0.0) -> bool:
        """Give out nothing any more; waiters fail at once with `PoolClosedError`.

        As `RedisPool.close`, for all nodes.
        """
        return self.nodes.close(timeout)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Do the same as `drain()`."""
        self.drain()

    reset = disconnect

    def follows(self, before: object) -> bool:
        """Tell whether this pool is in the place of one whose event loop is closed: never."""
        return False

    def after_fork(self) -> None:
        """Start anew in the child; the nodes' pools do so themselves."""
        if self._pid != os.getpid():
            self._engine = None  # with the locks that redis-py has in there
            if self._client is not None:
                self._client.start_anew()
            self._pid = os.getpid()


_pools: weakref.WeakSet[ClusterPool] = weakref.WeakSet()


@in_child
def _start_anew() -> None:
    for pool in list(_pools):
        pool.after_fork()


def _no_such_database() -> Problem:
    return Problem("E004", "db", "a cluster has no databases but 0", "leave it out")


def _no_cluster() -> Problem:
    hint = "write it as redis+cluster://host1:7000,host2:7000"
    return Problem("E006", "url", "is not of a cluster", hint)
