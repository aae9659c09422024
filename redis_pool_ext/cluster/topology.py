# mypy: disable-error-code="no-untyped-call"
"""The map of the cluster: redis-py's own, one for the process, asked for within a deadline."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any

from redis.cluster import PRIMARY, ClusterNode, NodesManager
from redis.exceptions import AskError, RedisClusterException

from ..deadline import Deadline
from ..errors import RedisPoolError
from ..pooling.outcomes import DIAL_AT_LEAST
from .nodes import Nodes
from .operation import Operation

__all__ = ["Address", "Topology"]

Address = tuple[str, int]

# Seconds. Of many commands that fail together one asks for the map; and those that go on to
# fail do not ask the nodes that are left more often than this.
REFRESH_EVERY = 0.1


class Topology(NodesManager):
    """redis-py's map, refreshed by one at a time, and within what its command has left.

    A refresh does not raise: whoever asks for one has the error that was the reason.
    """

    _nodes: Nodes
    _addresses: tuple[Address, ...]
    _refreshing: threading.RLock
    _refreshed_at: float
    redirects: int
    default_node: Any

    def begin(self, nodes: Nodes, addresses: tuple[Address, ...]) -> None:
        """Take over what redis-py has made, of its own class and with its first map."""
        self._nodes, self._addresses = nodes, addresses
        # Held by who asks for the map. Re-entrant for `_is_owned()`: a signal handler may
        # come meanwhile, and must not wait for its own thread.
        self._refreshing = threading.RLock()
        self.redirects = 0
        self._arrive(None)

    def initialize(  # type: ignore[override]  # redis-py 6 passes nothing, 8.1 more
        self, additional_startup_nodes_info: Iterable[Address] | None = None, **_others: Any
    ) -> None:
        """Ask for the map anew, unless somebody just has; redis-py calls this after errors."""
        operation = Operation.in_progress(None)
        if operation is None:
            operation = Operation(None, self._nodes.settings["timeout"])
        if operation.is_exhausted or operation.is_spent:
            return
        with operation:
            began = monotonic()
            try:
                self._refresh(operation, list(additional_startup_nodes_info or ()), began)
            finally:
                operation.refreshing.spend_since(began)

    def _refresh(self, operation: Operation, hints: list[Address], began: float) -> None:
        if self._refreshing._is_owned():  # type: ignore[attr-defined]
            return
        deadline = operation.refreshing.deadline()
        if not self._refreshing.acquire(timeout=deadline.remaining()):
            return
        try:
            if began - self._refreshed_at < REFRESH_EVERY:
                return  # by somebody else, while this one waited perhaps
            for node in self._candidates(operation, hints):
                if self._ask(node, operation, deadline):
                    self._arrive(operation)
                    return
        finally:
            self._refreshing.release()

    def _ask(self, node: ClusterNode, operation: Operation, deadline: Deadline) -> bool:
        """Ask one node for the map; False if it does not tell."""
        # Half of what is left for each: a node that hangs leaves time for the others.
        patience = max(deadline.remaining() / 2, DIAL_AT_LEAST)
        self.startup_nodes = {node.name: node}
        try:
            with operation.ask(Deadline(patience)):
                super().initialize()
        except (RedisClusterException, RedisPoolError):
            return False
        return True

    def _candidates(self, operation: Operation, hints: list[Address]) -> list[ClusterNode]:
        """Return whom to ask, the most promising first."""
        known = list(self.nodes_cache.values())
        random.shuffle(known)  # not all processes ask the same one
        known.sort(key=lambda node: self._hopeless(node, operation))
        names = {node.name for node in known}
        more = [ClusterNode(*address) for address in (*hints, *self._addresses)]
        return known + list({node.name: node for node in more if node.name not in names}.values())

    def _hopeless(self, node: ClusterNode, operation: Operation) -> tuple[bool, bool, bool]:
        """Return what speaks against asking this node; False is before True."""
        pool = self._nodes.find(node.name)
        held = operation.lease is not None and pool is not None and operation.lease.holding(pool)
        is_spare = bool(held) or pool is None or pool.is_spare
        return node.name == operation.failed, not is_spare, node.server_type != PRIMARY

    def _arrive(self, operation: Operation | None) -> None:
        """Have a pool for each primary, and none for nodes that have left."""
        self._refreshed_at = monotonic()
        # A dict of its own: redis-py 6 takes nodes that fail out of it.
        self.startup_nodes: dict[str, Any] = dict(self.nodes_cache)
        for node in self.primaries():
            self._nodes.of(node.host, node.port)
        self.see_off()
        if operation is not None and operation.failed is not None:
            operation.has_new_default |= self.avoid(operation.failed)

    def move_node_to_end_of_cached_nodes(self, node_name: str) -> None:
        """Do nothing: whom to ask last is known here, and no node shall vanish for a moment."""

    def see_off(self) -> None:
        """Close the pools of nodes that are on the map no more."""
        self._nodes.keep_only(list(self.nodes_cache))

    def primaries(self) -> list[ClusterNode]:
        """Return the nodes that have slots."""
        return [node for node in list(self.nodes_cache.values()) if node.server_type == PRIMARY]

    def avoid(self, name: str) -> bool:
        """Send commands without a key elsewhere than to the node that failed.

        False where they are not sent there, or there is no other one.
        """
        default = self.default_node
        others = [each for each in self.primaries() if each.name != name]
        if default is None or default.name != name or not others:
            return False
        self.default_node = random.choice(others)
        return True

    def is_primary(self, name: str) -> bool:
        """Tell whether a node has slots, as far as is known."""
        node = self.nodes_cache.get(name)
        return node is not None and node.server_type == PRIMARY

    def follow(self, error: AskError) -> None:
        """Note where a slot is, as its MOVED has said."""
        # redis-py before 7.2 has the other one.
        itself: Any = self
        move = itself.move_slot if hasattr(self, "move_slot") else itself.update_moved_exception
        move(error)
