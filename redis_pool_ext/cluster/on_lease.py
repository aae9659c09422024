# mypy: disable-error-code="no-untyped-call"
"""What a cluster's clients and pipelines have in common: they run on a lease, and persist."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

import redis
from redis.cluster import PRIMARY, ClusterNode
from redis.exceptions import AskError, ClusterDownError, SlotNotCoveredError, TryAgainError

from ..books.comeback import whole_seconds
from ..errors import PoolClosedError, PoolUnavailableError
from .operation import Operation, current

if TYPE_CHECKING:
    from ..client import LeasedRedis
    from .lease import ClusterLease
    from .topology import Topology

RequestPolicy: Any
try:
    from redis._parsers.commands import RequestPolicy
except ImportError:  # redis-py 6
    RequestPolicy = None

__all__ = ["NOT_EXECUTED", "OnLease"]

T = TypeVar("T")

# The server, or nobody, has refused these; so they were not executed. MOVED is an AskError.
NOT_EXECUTED = (AskError, TryAgainError, ClusterDownError)

# Seconds that redis-py sleeps after a CLUSTERDOWN.
_DOWN = 0.25
_NOT_COVERED = 0.05
# Seconds in which a replica may have taken over: with a server's defaults that is 15 and a few,
# and whoever comes earlier is answered quickly.
_MENDED_IN = 5
_ATTEMPTS = 16  # as many as redis-py follows redirections


class OnLease:
    """A cluster client or pipeline whose commands take their connections from a lease."""

    connection_pool: ClusterLease
    nodes_manager: Any
    commands_parser: Any
    policies: dict[Any, Any]  # the engine's
    single_key_commands: frozenset[str]  # as above
    get_default_node: Callable[[], Any]
    get_nodes_from_slot: Any
    get_special_nodes: Any
    _split_multi_shard_command: Any

    @property
    def _policies_callback_mapping(self) -> dict[Any, Any]:
        # An attribute in redis-py 7, whose functions refer to the engine; to this object, and
        # kept here, they would be a cycle, in which a lease that was dropped were kept.
        return self.policies | {
            RequestPolicy.DEFAULT_KEYED: self.get_nodes_from_slot,
            RequestPolicy.MULTI_SHARD: self._split_multi_shard_command,
            RequestPolicy.SPECIAL: self.get_special_nodes,
        }

    @_policies_callback_mapping.setter
    def _policies_callback_mapping(self, _mapping: Any) -> None:
        """Leave what a constructor of redis-py's makes."""

    def get_redis_connection(self, node: ClusterNode) -> LeasedRedis:
        """Return the client at one node, whose commands run on this lease."""
        return self.connection_pool.node(node)

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> Any:
        """Return a node by its address or name (host:port), None if it is not known."""
        node: ClusterNode | None = super().get_node(host, port, node_name)  # type: ignore[misc]
        if node is None and node_name is not None and current() is not None:
            # A command is sent with ASK to a node that has no slots yet, so that it is on
            # no map; redis-py would fail with an AttributeError.
            host, _, number = node_name.rpartition(":")
            node = ClusterNode(host, int(number), PRIMARY)
        return node

    def _get_command_keys(self, *args: Any) -> Any:
        if len(args) > 1 and args[0] in self.single_key_commands:
            return [args[1]]
        # redis-py's own asks the server over a connection beside those of the lease.
        client = self.get_redis_connection(self.get_default_node())
        return self.commands_parser.get_keys(client, *args)

    def _insist(self, attempt: Callable[[], T], *, is_aimed: bool = False) -> T:
        """Do `attempt` until it succeeds, or nothing speaks for another one.

        Only what was not executed is tried again: the node could not be reached, and another
        one has its slots by now; or the cluster is down, or changing. Not if it `is_aimed` at
        a node. Raises `PoolUnavailableError` for a cluster that stays down.
        """
        with self.connection_pool.operation() as operation:
            while True:
                operation.attempts += 1
                try:
                    return attempt()
                except redis.RedisError as error:
                    # redis-py leaves it there for its telemetry: an error is kept, pickled
                    # and logged, and a connection is not.
                    vars(error).pop("connection", None)
                    if not is_aimed and self._may_go_on(error, operation):
                        continue
                    if not isinstance(error, ClusterDownError | SlotNotCoveredError):
                        raise
                    raise self._is_down(error) from error

    def _has_time_for(self, error: Exception) -> bool:
        """Tell whether the engine may look into it: it sleeps, where the cluster is down."""
        operation = current()
        is_down = type(error) is ClusterDownError
        return not is_down or operation is None or operation.has_seconds(_DOWN)

    def _may_go_on(self, error: Exception, operation: Operation) -> bool:
        if operation.attempts >= _ATTEMPTS:
            return False
        if type(error) is ClusterDownError:
            return operation.has_seconds(_DOWN)
        if type(error) is SlotNotCoveredError and operation.has_seconds(_NOT_COVERED):
            sleep(_NOT_COVERED)
            self.nodes_manager.initialize()
            return True
        if type(error) is PoolClosedError and not self.connection_pool.pool.is_closed:
            self.nodes_manager.initialize()  # the node has left meanwhile
            return operation.has_seconds()
        if type(error) is PoolUnavailableError and operation.failed is not None:
            return operation.has_seconds() and self._is_elsewhere(operation.failed, operation)
        return False

    def _is_elsewhere(self, failed: str, operation: Operation) -> bool:
        """Tell whether what was for a node that failed would go to another one now."""
        topology: Topology = self.nodes_manager
        topology.initialize()  # which does nothing if redis-py did it
        has_new_default = topology.avoid(failed) or operation.has_new_default
        operation.has_new_default = False
        return has_new_default or not topology.is_primary(failed)

    def _is_down(self, error: redis.RedisError) -> PoolUnavailableError:
        pool = self.connection_pool.pool
        stats = pool.stats()
        return PoolUnavailableError(
            f'a part of the cluster is down (pool "{pool.alias}": {stats.summary()}): {error}; '
            "see CLUSTER INFO and CLUSTER NODES",
            alias=pool.alias,
            stats=stats,
            retry_after=whole_seconds(_MENDED_IN),
        )

    def close(self) -> None:
        """Do nothing: the nodes are everybody's, and a lease ends by itself."""

    def __del__(self) -> None:
        pass  # redis-py's closes the nodes
