# mypy: disable-error-code="no-untyped-call"
"""The nodes of one cluster, a pool of ours for each, made and closed as nodes come and go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..books import refusals
from ..books.records import Slot, Waiter
from ..connection import GuardedConnection
from ..deadline import Deadline
from ..forks import ProcessLock
from ..lease import Lease
from ..pool import RedisPool
from ..priority import Priority
from ..sizing.summing import in_all
from ..stats import PoolStats
from .operation import current

__all__ = ["NodeLease", "NodePool", "Nodes"]


class NodePool(RedisPool):
    """The pool of one node: a `RedisPool` whose waits are those of the command in progress."""

    def __init__(self, name: str, **arguments: Any) -> None:
        self.name = name
        super().__init__(**arguments)

    def get_connection(
        self,
        command_name: str | None = None,
        *keys: Any,
        deadline: Deadline | None = None,
        priority: Priority = Priority.NORMAL,
        **options: Any,
    ) -> GuardedConnection:
        """Take a connection, within what the command in progress has left for that.

        Raises what `RedisPool.get_connection` raises.
        """
        operation = current()
        if operation is None:
            return super().get_connection(deadline=deadline, priority=priority)
        with operation.borrow(self.name) as limit:
            deadline = earlier(limit, deadline)
            return super().get_connection(deadline=deadline, priority=priority)

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again for a holder, within what the command in progress has left."""
        operation = current()
        if operation is None:
            super().reconnect(connection)
        else:
            with operation.borrow(self.name):
                super().reconnect(connection)

    def _begin_to_reconnect(self, connection: Any) -> tuple[Slot, Deadline]:
        slot, deadline = super()._begin_to_reconnect(connection)
        operation = current()
        return slot, deadline if operation is None else earlier(operation.limit(), deadline)

    def _wait(self, waiter: Waiter, began: float) -> None:
        # Here, where it is sure that this takes a while: who waits for one node keeps no
        # other one's connection, or two requests could wait for each other.
        operation = current()
        if operation is not None:
            operation.make_room()
        super()._wait(waiter, began)

    @property
    def is_spare(self) -> bool:
        """Tell whether a connection would be there at once, most likely."""
        stats = self.stats()
        is_free = bool(stats.idle) or stats.in_use + stats.connecting < stats.max_connections
        return is_free and not stats.waiting and stats.circuit == "closed"

    @property
    def is_in_use(self) -> bool:
        """Tell whether anybody has a connection of it, or waits for one."""
        stats = self.stats()
        return bool(stats.in_use or stats.connecting or stats.waiting)


def earlier(one: Deadline, other: Deadline | None) -> Deadline:
    """Return the deadline that comes first."""
    return one if other is None or one.at <= other.at else other


class NodeLease(Lease):
    """A cluster lease's hold on one node: at most one connection, as any lease."""

    pool: NodePool

    def _is_interrupting(self) -> bool:
        # redis-py's engine talks on the connection without a word to the lease.
        is_within = self.depth > 1 and any(each.pending for each in tuple(self.held))
        return is_within or super()._is_interrupting()

    def owns_connection(self, connection: Any) -> bool:
        """Tell whether `connection` is what this lease holds; redis-py's transactions ask."""
        return connection in self.held

    def release(self, connection: Any) -> None:
        """Put the connection back after an exchange; the lease keeps it until its end."""
        # ASKING holds for one command, and that one was answered.
        if "ASKING" in connection.marks and not connection.pending and connection.last != "ASKING":
            connection.marks.discard("ASKING")
        super().release(connection)

    @property
    def is_at_hand(self) -> bool:
        """Tell whether there is a connection, and no other thread is at it."""
        if not self.held or not self._turn.acquire(False):
            return False
        self._turn.release()
        return True

    def give_way(self) -> None:
        """Give the connection back, if nobody is at it and nothing is on it. Never waits."""
        if not self._turn.acquire(False):
            return
        try:
            is_needed = self.depth or self.is_talking or self._is_taking
            if not is_needed and not any(each.marks or each.pending for each in self.held):
                self._give_back_held()
        finally:
            self._turn.release()

    def put_back_mine(self, depth: int) -> None:
        """Do `put_back_to`, unless it is another thread's turn."""
        if self._turn._is_owned():  # type: ignore[attr-defined]
            self.put_back_to(depth)


class Nodes:
    """The pools of a cluster's nodes, by name (host:port).

    `settings` are the arguments of `RedisPool` for each of them.
    """

    def __init__(self, alias: str, settings: dict[str, Any]) -> None:
        self.alias = alias
        self.settings: dict[str, Any] = settings
        self.is_closed: bool = False
        self.is_paused: bool = False
        self._lock = ProcessLock()  # protects the two below
        self._pools: dict[str, NodePool] = {}
        self._departed: list[PoolStats] = []

    def of(self, host: str, port: int) -> NodePool:
        """Return the pool of a node, the same one each time; it connects nothing yet.

        Raises `PoolClosedError` after `close()`, for a node that has none.
        """
        name = f"{host}:{port}"
        pool = self._pools.get(name)
        if pool is None:
            with self._lock.mine():
                pool = self._pools.get(name)
                if pool is None and not self.is_closed:
                    pool = self._pools[name] = self._make(name, host, port)
        if pool is None:
            raise refusals.closed(self.stats())
        return pool

    def _make(self, name: str, host: str, port: int) -> NodePool:
        alias = f"{self.alias}@{name}"
        pool = NodePool(name, alias=alias, host=host, port=port, **self.settings)
        if self.is_paused:
            pool.pause()
        return pool

    def each(self) -> list[NodePool]:
        """Return the pools that there are."""
        return list(self._pools.values())

    def find(self, name: str) -> NodePool | None:
        """Return the pool of a node, if it has one."""
        return self._pools.get(name)

    def keep_only(self, names: Iterable[str]) -> None:
        """Close the pools of nodes that have left.

        One with a connection in use closes when that is back, and somebody looks again: a
        node that returns meanwhile has not two pools.
        """
        staying = set(names)
        for name, pool in list(self._pools.items()):
            if name not in staying:
                pool.drain()
                if not pool.is_in_use:
                    self._forget(name, pool)

    def _forget(self, name: str, pool: NodePool) -> None:
        pool.close()
        with self._lock.mine():
            if self._pools.get(name) is pool:
                del self._pools[name]
                self._departed.append(pool.stats())
                self._departed = [in_all(self.alias, (), self._departed)]

    def share_registry(self, registry: Any) -> None:
        """Have one registry of redis-py 8.1's fieldsets for all nodes."""
        self.settings["himport_registry"] = registry
        for pool in self.each():
            pool.himport_registry = pool.connection_kwargs["himport_registry"] = registry

    def resize(self, max_connections: int) -> None:
        """Change how many connections there may be to each node."""
        self.settings = {**self.settings, "max_connections": max_connections}
        for pool in self.each():
            pool.resize(max_connections)

    def close(self, timeout: float) -> bool:
        """Close all pools; return whether all connections came back within `timeout`."""
        deadline = Deadline(timeout)
        with self._lock.mine():
            self.is_closed = True
        for pool in self.each():
            pool.close()  # all of them first: then wait
        return all(pool.close(deadline.remaining()) for pool in self.each())

    def stats(self) -> PoolStats:
        """Return the numbers of all nodes in sum, those that have left included."""
        return in_all(self.alias, [pool.stats() for pool in self.each()], self._departed)

    def node_stats(self) -> dict[str, PoolStats]:
        """Return the numbers of each node by its name."""
        return {pool.name: pool.stats() for pool in self.each()}
