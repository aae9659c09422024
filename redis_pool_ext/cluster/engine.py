# mypy: disable-error-code="no-untyped-call"
"""What redis-py's constructor makes of a cluster, once for the process."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any
from urllib.parse import quote

import redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

from ..deadline import Deadline
from ..errors import BudgetExceededError, PoolExhaustedError, PoolUnavailableError
from ..pooling.outcomes import DIAL_AT_LEAST
from .door import Door
from .nodes import Nodes
from .operation import Operation
from .topology import Address, Topology

MaintNotificationsConfig: Any
check_protocol_version: Any
try:
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.utils import check_protocol_version
except ImportError:  # redis-py before 7.2: its cluster client has none
    MaintNotificationsConfig = check_protocol_version = None

__all__ = ["Engine", "discover"]

# What redis-py's engine, too, has to know of how its connections read.
_READING = ("decode_responses", "encoding", "encoding_errors", "legacy_responses", "protocol")


class Engine(RedisCluster):
    """What redis-py's constructor makes of a cluster; the clients are copies of it.

    It has the process's one `Topology`, and nobody sends a command on it.
    """

    nodes_manager: Topology
    single_key_commands: frozenset[str]

    def __init__(self, nodes: Nodes, addresses: tuple[Address, ...], first: Address) -> None:
        host = f"[{first[0]}]" if ":" in first[0] else quote(first[0])
        arguments: dict[str, Any] = {
            name: nodes.settings[name] for name in _READING if name in nodes.settings
        }
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
    for kind in (BudgetExceededError, PoolExhaustedError, PoolUnavailableError):
        for error in found:
            if isinstance(error, kind):
                return error
    return found[-1]
