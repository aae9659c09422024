# mypy: disable-error-code="no-untyped-call"
"""Pipelines and transactions of a cluster, on a lease's connections."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import (
    ClusterNode,
    ClusterPipeline,
    PipelineStrategy,
    TransactionStrategy,
)
from redis.exceptions import (
    AskError,
    RedisClusterException,
    WatchError,
)
from redis.retry import Retry

from ..errors import LeaseError, PoolUnavailableError
from .nodes import NodeLease
from .on_lease import NOT_EXECUTED, OnLease
from .topology import Topology

if TYPE_CHECKING:
    from .lease import ClusterLease

__all__ = ["LeasedClusterPipeline"]

_NOT_SENT = (*NOT_EXECUTED, PoolUnavailableError)

# As many redirections as the server may need to make up its mind.
_REDIRECTIONS = 8


class LeasedClusterPipeline(OnLease, ClusterPipeline):
    """redis-py's pipeline for a cluster, whose connections are the lease's.

    A command that was sent and has no reply is not sent again: it may have been executed.
    """

    encoder: Any
    policies: dict[Any, Any]
    single_key_commands: frozenset[str]

    def __init__(
        self,
        lease: ClusterLease,
        client: Any,
        transaction: bool | None,
        *,
        owns_lease: bool,
    ) -> None:
        self.connection_pool = lease
        self._owns_lease = owns_lease
        super().__init__(transaction=bool(transaction), **_arguments_from(client))
        self.encoder = client.encoder
        self.single_key_commands = client.single_key_commands
        if hasattr(client, "policies"):  # redis-py 7 and 8
            self.policies = client.policies
        self._execution_strategy = _Transaction(self) if transaction else _Pipelined(self)

    @property
    def parent_execute_command(self) -> Any:
        """The client's `execute_command`; kept, as redis-py does it, it would be a cycle."""
        return super(ClusterPipeline, self).execute_command

    @parent_execute_command.setter
    def parent_execute_command(self, _method: Any) -> None:
        pass

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; between WATCH and MULTI, execute it."""
        if not isinstance(self._execution_strategy, _Transaction):
            return self._execution_strategy.execute_command(*args, **options)
        with self.connection_pool.operation():
            return super().execute_command(*args, **options)

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        with self.connection_pool.operation():
            return super().execute(raise_on_error)

    def _internal_execute_command(self, *args: Any, **options: Any) -> Any:
        # One that was redirected, by itself.
        return self._insist(
            lambda: super(LeasedClusterPipeline, self)._internal_execute_command(*args, **options)
        )

    def reset(self) -> None:  # type: ignore[override]  # redis-py's own: RESET is a command, too
        """Forget the queued commands and any WATCH, and let go of the connections."""
        try:
            super().reset()
        finally:
            if self._owns_lease:
                self.connection_pool.give_back()

    def __del__(self) -> None:
        # Not reset(): that would talk to the server from wherever garbage is collected.
        with suppress(Exception):
            let_go = getattr(self._execution_strategy, "let_go", None)
            if let_go is not None:
                let_go()


def _arguments_from(client: Any) -> dict[str, Any]:
    """Return what redis-py's own `pipeline()` hands to a pipeline."""
    names = {
        "commands_parser": "commands_parser",
        "result_callbacks": "result_callbacks",
        "cluster_response_callbacks": "cluster_response_callbacks",
        "read_from_replicas": "read_from_replicas",
        "load_balancing_strategy": "load_balancing_strategy",
        "reinitialize_steps": "reinitialize_steps",
        "retry": "retry",
        "lock": "_lock",
        "event_dispatcher": "_event_dispatcher",  # of redis-py 7 and 8, as the next one
        "policy_resolver": "_policy_resolver",
    }
    found = {name: getattr(client, own) for name, own in names.items() if hasattr(client, own)}
    return {**found, "nodes_manager": client.nodes_manager}


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


class _Pipelined(_OfPipe, PipelineStrategy):
    """Commands that go to their nodes together."""

    def send_cluster_commands(
        self, stack: list[Any], raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send the commands, and return their replies."""
        return self._pipe._insist(  # type: ignore[no-any-return]
            lambda: super(_Pipelined, self).send_cluster_commands(
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
    def _held_in_order(self, stack: list[Any]) -> Generator[None, None, None]:
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


class _Transaction(_OfPipe, TransactionStrategy):
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
            lambda: super(_Transaction, self)._execute_transaction_with_retries(
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
