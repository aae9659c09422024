# mypy: disable-error-code="no-untyped-call"
"""Pipelines and transactions of a cluster, on a lease's connections."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.cluster import ClusterPipeline

from .on_lease import OnLease
from .strategies import Pipelined, Transaction

if TYPE_CHECKING:
    from .lease import ClusterLease

__all__ = ["LeasedClusterPipeline"]


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
        self._execution_strategy = Transaction(self) if transaction else Pipelined(self)

    @property
    def parent_execute_command(self) -> Any:
        """The client's `execute_command`; kept, as redis-py does it, it would be a cycle."""
        return super(ClusterPipeline, self).execute_command

    @parent_execute_command.setter
    def parent_execute_command(self, _method: Any) -> None:
        pass

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; between WATCH and MULTI, execute it."""
        if not isinstance(self._execution_strategy, Transaction):
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
