"""The lease of a cluster: a lease at each of its nodes, taken at the first command there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..budget import Budget
from ..deadline import Deadline
from ..forks import getpid
from ..leasing.holding import HoldingOfThreads
from ..wire.spending import Spending
from .nodes import NodeLease
from .operation import Operation

if TYPE_CHECKING:
    from redis.cluster import ClusterNode

    from ..client import LeasedRedis
    from .client import LeasedCluster
    from .nodes import NodePool
    from .pool import ClusterPool

__all__ = ["ClusterLease"]


class ClusterLease(HoldingOfThreads):
    """A hold on at most one connection per node of `pool`.

    A context manager over its client; `end()` gives all of them back, and after that (or in
    a forked child) every use raises `LeaseError`. While a command waits for one node, those
    of the others on which nothing is going on are given back: no two leases wait for each
    other.
    """

    pool: ClusterPool  # type: ignore[assignment]  # it is no pool of connections itself
    held: list[NodeLease]

    def __init__(self, pool: ClusterPool, holder: object = None, **terms: Any) -> None:
        super().__init__(pool, holder, **terms)  # type: ignore[arg-type]  # as above
        self._clients: dict[str, LeasedRedis] = {}

    def __enter__(self) -> LeasedCluster:
        return self.client()

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def client(self) -> LeasedCluster:
        """Return a client that runs all its commands on this lease."""
        return self.pool.leased(self)

    # -- one command ---------------------------------------------------------------------

    def operation(self) -> Operation:
        """Return the command in progress, to be entered; raises `LeaseError` after the end."""
        if self._ended or self._pid != getpid():
            raise self._misuse()
        operation = Operation.in_progress(self)
        if operation is not None:
            return operation
        patience = self._patience.remaining() if self._patience is not None else None
        return Operation(self, self.pool.timeout, patience, self.spending)

    @property
    def spending(self) -> Spending | None:
        """What counts the time of a lease with a budget."""
        return None if self._budget is None else self._spend()

    def _hand_on(self, budget: Budget | None) -> None:
        for lease in tuple(self.held):
            lease.budget = budget

    def note_end_of(self, operation: Operation) -> None:
        """Remember what a refusal has left of the wait, where a request waits once."""
        if not self.waits_once:
            return
        if operation.refusal is not None:
            self._patience = self._patience or Deadline(operation.borrowing.left)
        elif operation.has_taken:
            self._patience = None

    def node(self, node: ClusterNode) -> LeasedRedis:
        """Return the client of this lease at one node; it takes a connection when it is used."""
        pool = self.pool.nodes.of(node.host, node.port)
        client = self._clients.get(pool.name)
        if client is not None and client.connection_pool.pool is pool:
            client.connection_pool.priority = self.priority  # which may be another one by now
            return client
        made = pool.client_factory.leased(
            NodeLease(pool, self._holder, budget=self.budget, priority=self.priority)
        )
        if client is None:
            made = self._clients.setdefault(pool.name, made)  # of two threads, one's
        else:  # that node had left, and is back
            self._clients[pool.name] = made
        lease = cast(NodeLease, made.connection_pool)
        if lease not in self.held:
            self.held.append(lease)
        if self._ended:  # in between, by another thread
            self.end()
            raise self._misuse()
        return made

    def holding(self, pool: NodePool) -> NodeLease | None:
        """Return the lease at a node, if it has a connection there that this thread may use."""
        client = self._clients.get(pool.name)
        if client is None:
            return None
        lease = cast(NodeLease, client.connection_pool)
        return lease if lease.pool is pool and lease.is_at_hand else None

    def give_way(self) -> None:
        """Give back each connection on which nothing is going on."""
        for lease in tuple(self.held):
            lease.give_way()

    def held_seconds(self) -> float:
        """Return for how long it has had the connections that it holds right now, in sum."""
        return sum(lease.held_seconds() for lease in tuple(self.held))

    # -- giving back ---------------------------------------------------------------------

    def give_back(self) -> None:
        """Give all connections back early; the next commands take some again.

        State that was set up on them is gone then. Raises `ConnectionPoolTimeoutError` when
        another thread keeps one for longer than the pool's `timeout`.
        """
        if self._pid != getpid():
            raise self._misuse()
        for lease in tuple(self.held):
            lease.give_back()

    def end(self) -> None:
        """End the lease: everything it holds goes back. Never waits; twice is fine."""
        self._ended = True
        while self.held:
            lease = self.held.pop()
            try:
                lease.end()
            except BaseException:
                self.end()
                raise
        self._clients.clear()

    def _sign(self, connection: Any) -> None:
        connection.holder = self._holder  # a node's lease, which signs what it holds
