# mypy: disable-error-code="no-untyped-call"
"""The clients: redis-py's `RedisCluster`, each of its commands on a lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
import redis.exceptions
from redis.client import CaseInsensitiveDict, Monitor
from redis.cluster import ClusterNode, ClusterPubSub, RedisCluster

from ..client import LeaseSideDoor
from ..errors import BudgetExceededError
from ..leasing.locks import Lock, with_class
from .on_lease import NOT_EXECUTED, OnLease
from .pipeline import LeasedClusterPipeline

if TYPE_CHECKING:
    from ..client import LeasedRedis
    from .engine import Engine
    from .lease import ClusterLease
    from .pool import ClusterPool
    from .topology import Topology

__all__ = ["LeasedCluster", "PooledCluster"]

# What the clients have of their own, and not from the engine.
_OWN = ("nodes_manager", "reinitialize_counter", "_policies_callback_mapping", "startup_nodes")


class _Copy(OnLease, RedisCluster):
    """A client that is a copy of the pool's engine, from its first use on.

    redis-py's constructor asks for the map of the cluster; a client is made for each request,
    before anybody knows whether it will talk to Redis.
    """

    def __getattr__(self, name: str) -> Any:
        """Take over what redis-py's constructor sets, where that has not happened yet."""
        if not name.startswith("__") and "_is_whole" not in self.__dict__:
            self._take_over(vars(self._engine))
        if name in self.__dict__:  # by another thread, perhaps
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _take_over(self, attributes: dict[str, Any]) -> None:
        for each, value in attributes.items():
            if each == "_policies_callback_mapping":
                self.__dict__.setdefault("policies", value)
            elif each not in _OWN:
                self.__dict__.setdefault(each, value)
        self.__dict__["_is_whole"] = True

    @property
    def _pool(self) -> ClusterPool:
        return self.connection_pool.pool

    @property
    def _engine(self) -> Engine:
        return self._pool.engine(self.connection_pool.spending)

    @property
    def nodes_manager(self) -> Topology:  # type: ignore[override]  # redis-py has attributes
        """The map of the cluster, which is one for the process."""
        return self._engine.nodes_manager

    @property
    def startup_nodes(self) -> Any:  # type: ignore[override]
        """The nodes that the map was last asked of."""
        return self.nodes_manager.startup_nodes

    @property
    def reinitialize_counter(self) -> int:
        """The redirections since the map was last renewed, those of all clients."""
        return self.nodes_manager.redirects

    @reinitialize_counter.setter
    def reinitialize_counter(self, count: int) -> None:
        self.nodes_manager.redirects = count

    # `execute_command` stays redis-py's: tracing tools wrap it.
    def _internal_execute_command(self, *args: Any, **options: Any) -> Any:
        target = options.get("target_nodes")
        return self._insist(
            lambda: self._attempt(args, options),
            is_aimed=target is not None and not self._is_nodes_flag(target),
        )

    def _attempt(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._is_for_one_node(args, options):
            node = self.nodes_manager.get_node_from_slot(self.keyslot(args[1]))
            try:
                # As short a way as one server's client has, half of redis-py's.
                return self.connection_pool.node(node)._execute_command(*args, **options)
            except NOT_EXECUTED as error:
                if not self._has_time_for(error):
                    raise
                # redis-py's engine knows where to go
            except BudgetExceededError:
                raise  # which says nothing about the map
            except (redis.ConnectionError, redis.TimeoutError):
                self.nodes_manager.initialize()  # as the engine does
                raise
        # It makes one attempt here, unless OPTIONS has a `retry`.
        return super()._internal_execute_command(*args, **options)

    def _is_for_one_node(self, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Tell whether it is a plain command whose second word is its key, its only one."""
        return (
            len(args) > 1
            and args[0] in self.single_key_commands
            and "target_nodes" not in options
            and args[0] not in self.cluster_response_callbacks
            and not self.retry.get_retries()
        )

    def set_response_callback(self, command: str, callback: Callable[..., Any]) -> None:
        """Set a callback for this client alone: the others' are shared."""
        callbacks = CaseInsensitiveDict(self.cluster_response_callbacks)
        callbacks[command] = callback
        self.cluster_response_callbacks = callbacks

    def _pipeline_on(
        self, lease: ClusterLease, transaction: bool | None, *, is_its_own: bool
    ) -> LeasedClusterPipeline:
        return LeasedClusterPipeline(lease, self, transaction, owns_lease=is_its_own)

    def get_connection_kwargs(self) -> Any:
        """Return the arguments of the nodes' connections."""
        return self._pool.nodes.settings

    def __repr__(self) -> str:
        return f'<{type(self).__name__} of "{self._pool.alias}">'


class LeasedCluster(_Copy):
    """A `RedisCluster` whose commands run on one leased connection per node.

    `release()` gives them back early; the next commands take some again.
    """

    @property
    def is_degraded(self) -> bool:
        """False: whatever it returns is Redis' answer. One that degrades may say otherwise."""
        return False

    def take(self) -> None:
        """Take a connection to the default node, before any command; raises as one does."""

        def attempt() -> None:
            lease = self.get_redis_connection(self.get_default_node()).connection_pool
            lease.release(lease.get_connection())

        self._insist(attempt)

    def release(self) -> None:
        """Give all connections back early, say before a long wait for something else."""
        self.connection_pool.give_back()

    def lock(self, *args: Any, **options: Any) -> Any:
        """Return redis-py's lock; what is waited for it is spent on Redis."""
        return super().lock(*args, **with_class(Lock, args, options))

    def pipeline(
        self, transaction: bool | None = None, shard_hint: Any = None
    ) -> LeasedClusterPipeline:
        """Return a pipeline that runs on the leased connections."""
        _refuse(shard_hint)
        return self._pipeline_on(self.connection_pool, transaction, is_its_own=False)

    def pubsub(
        self, node: Any = None, host: Any = None, port: Any = None, **kwargs: Any
    ) -> ClusterPubSub:
        """Return a PubSub on connections of its own, which come back with the lease."""
        beside = _BesideLease.__new__(_BesideLease)
        beside.__dict__.update(self.__dict__)
        return ClusterPubSub(beside, node=node, host=host, port=port, **kwargs)

    def monitor(self, target_node: Any = None) -> Monitor:
        """Return a Monitor on a connection of its own, which comes back with the lease."""
        return self.get_redis_connection(target_node or self.get_default_node()).monitor()


class _BesideLease(LeasedCluster):
    """The client as a PubSub sees it: each node's connections are beside the leased one."""

    def get_redis_connection(self, node: ClusterNode) -> Any:
        return _BesideNode(super().get_redis_connection(node))


class _BesideNode:
    def __init__(self, client: LeasedRedis) -> None:
        self.connection_pool = LeaseSideDoor(client.connection_pool)
        self.pubsub = client.pubsub  # of shard channels


class PooledCluster(_Copy):
    """A `RedisCluster` that takes its connections for a command; safe to share by threads."""

    def __init__(self, pool: ClusterPool) -> None:
        # Not redis-py's, which would connect.
        self.__dict__["connection_pool"] = pool.lease()  # of which nothing is ever taken

    def start_anew(self) -> None:
        """Forget, in a fork's child, what the parent's threads may have locked."""
        self.__dict__ = {"connection_pool": self.connection_pool}

    def _leased(self) -> LeasedCluster:
        client = self._pool.lease().client()
        mine = {name: value for name, value in vars(self).items() if name != "connection_pool"}
        client.__dict__.update(mine)
        return client

    def get_redis_connection(self, node: ClusterNode) -> Any:
        """Return the client at one node; it borrows a connection per command."""
        return self._pool.nodes.of(node.host, node.port).client

    def _internal_execute_command(self, *args: Any, **options: Any) -> Any:
        client = self._leased()
        try:
            return client._internal_execute_command(*args, **options)
        finally:
            client.connection_pool.end()

    def _get_command_keys(self, *args: Any) -> Any:
        client = self._leased()
        try:
            return client._get_command_keys(*args)
        finally:
            client.connection_pool.end()

    def pipeline(
        self, transaction: bool | None = None, shard_hint: Any = None
    ) -> LeasedClusterPipeline:
        """Return a pipeline; it has connections while it runs, and between WATCH and EXEC."""
        _refuse(shard_hint)
        return self._pipeline_on(self._pool.lease(), transaction, is_its_own=True)

    def pubsub(
        self, node: Any = None, host: Any = None, port: Any = None, **kwargs: Any
    ) -> ClusterPubSub:
        """Return a PubSub on connections of its own; `close()` gives them back."""
        return self._leased().pubsub(node, host, port, **kwargs)

    def monitor(self, target_node: Any = None) -> Monitor:
        """Return a Monitor on a connection of its own; leaving its `with` gives it back."""
        return self._leased().monitor(target_node)


def _refuse(shard_hint: Any) -> None:
    if shard_hint:  # as redis-py does
        raise redis.exceptions.RedisClusterException("shard_hint is deprecated in cluster mode")
