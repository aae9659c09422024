# mypy: disable-error-code="no-untyped-call"
"""The map of the cluster: redis-py's own, one for the process, asked for within a deadline."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any
from urllib.parse import quote

import redis
from redis.cluster import PRIMARY, ClusterNode, NodesManager, RedisCluster
from redis.exceptions import AskError, RedisClusterException

from ..deadline import Deadline
from ..errors import PoolExhaustedError, PoolUnavailableError, RedisPoolError
from ..interface import ConnectionPoolInterface
from ..outcomes import DIAL_AT_LEAST
from .nodes import NodeLease, NodePool, Nodes
from .operation import Operation, current

try:
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.utils import check_protocol_version
except ImportError:  # redis-py before 7.2: its cluster client has none
    MaintNotificationsConfig = None  # type: ignore[assignment, misc]

__all__ = ["Address", "Engine", "Topology", "discover"]

Address = tuple[str, int]

# Seconds. Of many commands that fail together one asks for the map; and those that go on to
# fail do not ask the nodes that are left more often than this.
REFRESH_EVERY = 0.1

# What redis-py's engine, too, has to know of how its connections read.
_READING = ("decode_responses", "encoding", "encoding_errors", "legacy_responses", "protocol")


class Door(ConnectionPoolInterface):
    """A node's pool as redis-py's map of the cluster sees it.

    Within a lease that has a connection to the node, that one is used: the map of the cluster
    is asked for by commands, and shall not need a connection beside theirs.
    """

    cache = None

    def __init__(self, nodes: Nodes, host: str, port: int) -> None:
        self._nodes = nodes
        self._address = host, port
        # redis-py holds it while it closes connections, which it does not do here.
        self._lock = threading.RLock()

    @property
    def _pool(self) -> NodePool:
        return self._nodes.of(*self._address)

    def __bool__(self) -> bool:
        return True

    def _held(self) -> NodeLease | None:
        """Return the lease's hold on a connection to the node, if there is such a one."""
        operation = current()
        lease = operation.lease if operation is not None else None
        return lease.holding(self._pool) if lease is not None else None

    def get_connection(self, *_args: Any, **_options: Any) -> Any:
        """Take the lease's connection, or one of the pool."""
        return (self._held() or self._pool).get_connection()

    def release(self, connection: Any) -> None:
        """Put it back to where it was taken from."""
        held = self._held()
        if held is not None and held.owns_connection(connection):
            held.release(connection)
        else:
            self._pool.release(connection)

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """The arguments of the connections; redis-py asks before anybody needs a pool."""
        host, port = self._address
        return {**self._nodes.settings, "host": host, "port": port}

    @property
    def himport_registry(self) -> Any:
        """The registry of redis-py 8.1, which is one for the cluster."""
        return self._nodes.settings.get("himport_registry")

    @himport_registry.setter
    def himport_registry(self, registry: Any) -> None:
        self._nodes.share_registry(registry)

    def get_encoder(self) -> Any:
        """Return the pool's encoder."""
        return self._pool.get_encoder()

    def get_protocol(self) -> int | None:
        """Return the RESP version that was set; None leaves it to redis-py."""
        protocol: int | None = self._nodes.settings.get("protocol")
        return protocol

    # redis-py closes a node's connections whenever it has asked there for the map, and when
    # one of them has failed. The pool knows better which of them are in doubt.

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Do nothing."""

    def update_active_connections_for_reconnect(self) -> None:
        """Do nothing."""

    def disconnect_free_connections(self) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def set_retry(self, retry: Any) -> None:
        """Do nothing: retries are the cluster client's."""

    def re_auth_callback(self, token: Any) -> None:
        """Tell the pool that credentials changed."""
        self._pool.re_auth_callback(token)

    def get_connection_count(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the pool's count."""
        return self._pool.get_connection_count()


class Topology(NodesManager):
    """redis-py's map, refreshed by one at a time, and within what its command has left.

    A refresh does not raise: whoever asks for one has the error that was the reason.
    """

    _nodes: Nodes
    _addresses: tuple[Address, ...]
    _refreshing: threading.RLock
    _refreshed_at: float
    redirects: int

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
        if operation.is_exhausted:
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
        self.startup_nodes = dict(self.nodes_cache)
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


class Engine(RedisCluster):
    """What redis-py's constructor makes of a cluster; the clients are copies of it.

    It has the process's one `Topology`, and nobody sends a command on it.
    """

    nodes_manager: Topology

    def __init__(self, nodes: Nodes, addresses: tuple[Address, ...], first: Address) -> None:
        host = f"[{first[0]}]" if ":" in first[0] else quote(first[0])
        arguments = {name: nodes.settings[name] for name in _READING if name in nodes.settings}
        # Its maintenance replaces connections in the nodes' pools, which are ours.
        has_maintenance = MaintNotificationsConfig is not None
        if has_maintenance and check_protocol_version(arguments.get("protocol"), 3):
            arguments["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
        super().__init__(
            # With a URL, and only then, redis-py asks `connection_pool_class` for pools.
            url=f"redis://{host}:{first[1]}",
            connection_pool_class=lambda **options: Door(nodes, options["host"], options["port"]),
            require_full_coverage=False,  # the server knows whether it serves a part alone
            **arguments,
        )
        # redis-py makes it itself and takes no other class; what is added has no slots.
        self.nodes_manager.__class__ = Topology
        self.nodes_manager.begin(nodes, addresses)
        self.single_key_commands = frozenset(self._single_key_commands())

    def _single_key_commands(self) -> Iterator[str]:
        """Yield the names of commands that have one key, behind the name, and no surprises."""
        special = {*self.command_flags, *self.result_callbacks}
        for name, command in self.commands_parser.commands.items():
            is_plain = not {"movablekeys", "pubsub"}.intersection(command["flags"])
            has_one_key = command["first_key_pos"] == command["last_key_pos"] == 1
            if is_plain and has_one_key and name.upper() not in special:
                yield name.upper()

    def close(self) -> None:
        """Do nothing: the nodes' pools are closed by who owns them."""

    def __del__(self) -> None:
        pass


def discover(nodes: Nodes, addresses: tuple[Address, ...], operation: Operation) -> Engine:
    """Ask one of the addresses after the other for the map of the cluster.

    Raises what `RedisPool.get_connection` raises, if it does so for each of them;
    `RedisClusterException` for a server that is no cluster's.
    """
    found: list[BaseException] = []
    deadline = operation.refreshing.deadline()
    began = monotonic()
    try:
        for address in addresses:
            share = max(deadline.remaining() / 2, DIAL_AT_LEAST)
            try:
                with operation.ask(deadline if address == addresses[-1] else Deadline(share)):
                    return Engine(nodes, addresses, address)
            except (redis.RedisError, RedisClusterException, OSError) as error:
                found.append(_reason(error))
        raise _worth_telling(found)
    finally:
        operation.refreshing.spend_since(began)
        found.clear()  # an error refers to this frame by now


def _reason(error: BaseException) -> BaseException:
    """Return why there is no map; redis-py says that there is none, and has that as cause."""
    if type(error) is RedisClusterException and error.__cause__ is not None:
        return error.__cause__
    return error


def _worth_telling(found: list[BaseException]) -> BaseException:
    for kind in (PoolExhaustedError, PoolUnavailableError):
        for error in found:
            if isinstance(error, kind):
                return error
    return found[-1]
