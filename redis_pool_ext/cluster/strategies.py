# mypy: disable-error-code="no-untyped-call"
"""How a cluster's pipeline executes: its commands together, or as a transaction on one node."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, PipelineStrategy, TransactionStrategy
from redis.exceptions import AskError, RedisClusterException, WatchError
from redis.retry import Retry

from ..errors import LeaseError, PoolUnavailableError
from .nodes import NodeLease
from .on_lease import NOT_EXECUTED
from .topology import Topology

if TYPE_CHECKING:
    from .pipeline import LeasedClusterPipeline

__all__ = ["Pipelined", "Transaction"]

_NOT_SENT = (*NOT_EXECUTED, PoolUnavailableError)

# As many redirections as the server may need to make up its mind.
_REDIRECTIONS = 8


class _OfPipe:
    """A strategy; its pipeline has it, and it has no hold on the pipeline, nor on its lease."""

    @property
    def _pipe(self) -> Any:
        pipe = self._refer_to_pipe()
        assert pipe is not None  # it is what calls
        return pipe

    @_pipe.setter
    def _pipe(self, pipe: LeasedClusterPipeline) -> None:
        self._refer_to_pipe = weakref.ref(pipe)


class Pipelined(_OfPipe, PipelineStrategy):
    """Commands that go to their nodes together."""

    def send_cluster_commands(
        self, stack: list[Any], raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send the commands, and return their replies."""
        return self._pipe._insist(  # type: ignore[no-any-return]
            lambda: super(Pipelined, self).send_cluster_commands(
                stack, raise_on_error, allow_redirections
            )
        )

    def _send_cluster_commands(
        self, stack: list[Any], raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        with self._held_in_order(stack):
            # Not redis-py's own repetition, which includes what was sent and not answered.
            super()._send_cluster_commands(stack, raise_on_error=False, allow_redirections=False)
        if allow_redirections:
            self._follow(stack)
        ordered = sorted(stack, key=lambda command: command.position)
        for command in ordered:
            if isinstance(command.result, Exception):
                vars(command.result).pop("connection", None)
                if raise_on_error:
                    self.annotate_exception(command.result, command.position + 1, command.args)
                    raise command.result
        return [command.result for command in ordered]

    @contextmanager
    def _held_in_order(self, stack: list[Any]) -> Iterator[None]:
        """Have the connections that are needed, taken in the order of the nodes' names.

        Of two pipelines that need the same nodes, one has them all; redis-py takes them in
        the order of the commands, and each would wait for what the other one has.
        """
        nodes = {node.name: node for command in stack for node in self._nodes_of(command)}
        taken: list[tuple[NodeLease, int]] = []
        try:
            for name in sorted(nodes):
                lease = cast(
                    NodeLease, self._pipe.get_redis_connection(nodes[name]).connection_pool
                )
                lease.get_connection()
                taken.append((lease, lease.depth - 1))
            yield
        finally:
            for lease, depth in reversed(taken):
                lease.put_back_mine(depth)

    def _nodes_of(self, command: Any) -> list[ClusterNode]:
        """Return the node of a command with keys; of others redis-py knows, and takes them."""
        target = command.options.get("target_nodes")
        if isinstance(target, ClusterNode):
            return [target]
        name = str(command.args[0]).upper()
        if target is not None or name in self._pipe.command_flags or len(command.args) == 1:
            return []
        try:
            slot = self._pipe.determine_slot(*command.args)
        except RedisClusterException:
            return []
        return [] if slot is None else [self._nodes_manager.get_node_from_slot(slot)]

    def _follow(self, stack: list[Any]) -> None:
        """Execute by itself each command that was not executed where it was sent."""
        pipe = self._pipe
        again = [each for each in stack if isinstance(each.result, _NOT_SENT)]
        if again:
            pipe.reinitialize_counter += 1
            if pipe._should_reinitialized():
                self._nodes_manager.initialize()
        for command in sorted(again, key=lambda each: each.position):
            try:
                command.result = pipe.parent_execute_command(*command.args, **command.options)
            except redis.RedisError as error:
                command.result = error


class Transaction(_OfPipe, TransactionStrategy):
    """WATCH, MULTI and EXEC for keys of one slot, on one connection."""

    def __init__(self, pipe: LeasedClusterPipeline) -> None:
        super().__init__(pipe)
        # What was redirected was not executed, and is repeated; a lost reply is not.
        self._retry = Retry(NoBackoff(), _REDIRECTIONS, supported_errors=(AskError,))
        self._lease: NodeLease | None = None
        self._depth = 0
        self._has_watched = False

    def _get_client_and_connection_for_transaction(self) -> Any:
        if self._pipeline_slots:
            slot = next(iter(self._pipeline_slots))
            node = self._nodes_manager.get_node_from_slot(slot)
            lease = cast(NodeLease, self._pipe.get_redis_connection(node).connection_pool)
            self._be_on(lease)
        return super()._get_client_and_connection_for_transaction()

    def _be_on(self, lease: NodeLease) -> None:
        """Hold a connection of `lease`, and of no other one."""
        if self._transaction_connection is not None and self._lease is not lease:
            # redis-py fails here with an AttributeError. What was watched is there no more.
            self.let_go()
            if self._has_watched:
                raise WatchError("Slot rebalancing occurred while watching keys")
        if self._transaction_connection is None:
            if lease.is_watching:
                raise LeaseError(
                    "keys are being watched on this lease's connection to the node, and a second "
                    "transaction there would end that WATCH unseen; finish that one first",
                    alias=lease.pool.alias,
                )
            self._transaction_connection = lease.get_connection()
            self._lease, self._depth = lease, lease.depth - 1

    def _validate_watch(self) -> None:
        super()._validate_watch()
        self._has_watched = True

    def _execute_transaction_with_retries(self, stack: list[Any], raise_on_error: bool) -> Any:
        return self._pipe._insist(
            lambda: super(Transaction, self)._execute_transaction_with_retries(
                stack, raise_on_error
            ),
            is_aimed=self._watching,
        )

    def _reinitialize_on_error(self, error: Any, *args: Any) -> None:
        if self._watching and self._executing:
            raise WatchError("Slot rebalancing occurred while watching keys")
        # Not redis-py's own, which loses the connection, or its way, depending on the version.
        self.let_go()
        cast(Topology, self._nodes_manager).follow(error)
        self._executing = False

    def let_go(self) -> None:
        """Put the connection back, however far things went."""
        connection: Any = self._transaction_connection
        self._transaction_connection = None
        lease, self._lease = self._lease, None
        if lease is not None:
            if self._has_watched and connection is not None:
                # It was told, or will be.
                connection.transaction_over()
            lease.put_back_mine(self._depth)

    def reset(self) -> None:
        """Forget the commands and any WATCH, and let go of the connection."""
        connection: Any = self._transaction_connection
        if connection is not None:
            if connection.is_spent and "WATCH" in connection.marks:
                connection.disconnect()  # UNWATCH would be refused
            if connection.is_spent or not connection.is_connected:
                self._watching = False  # there is nothing left to UNWATCH
        try:
            super().reset()
        finally:
            if connection is not None and self._transaction_connection is not None:
                connection.disconnect()  # redis-py gives up when UNWATCH times out
            self.let_go()
            self._has_watched = False
