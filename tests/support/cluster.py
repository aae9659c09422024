"""A real Redis Cluster on this machine: three masters, a replica for each."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import Any, Self

import redis
from redis.crc import key_slot

from redis_pool_ext.embedded import NoRedisServerError

from .server import Server
from .threads import wait_until

SLOTS = 16384
NODE_TIMEOUT = 1.5  # seconds; a node that is silent for that long counts as failed
_BUS = 10000  # the port on which the nodes talk is so much higher
_FLAGS = "cluster-enabled yes cluster-allow-replica-migration no repl-diskless-sync yes"
_TIMES = f"cluster-node-timeout {NODE_TIMEOUT * 1000:.0f} repl-diskless-sync-delay 0"


class Node(Server):
    """One server of a cluster, to be killed, frozen and restarted."""

    def __init__(self) -> None:
        words = f"{_FLAGS} {_TIMES}".split()
        super().__init__(*(f"--{word}" if not i % 2 else word for i, word in enumerate(words)))

    def start(self) -> None:
        """Start on a port whose bus port is free, too; a second time, on the same one."""
        if self.port:
            super().start()
            return
        for _ in range(5):
            self.port = _free_port_with_bus()
            with suppress(NoRedisServerError):  # somebody took one of the two
                super().start()
                return
        raise NoRedisServerError("no two ports, 10000 apart, stay free")

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def say(self, *command: Any) -> Any:
        """Send one command over a connection that is closed again."""
        with self.admin(decode_responses=True, socket_timeout=5) as admin:
            return admin.execute_command(*command)

    def id(self) -> str:
        return str(self.say("CLUSTER MYID"))

    def count_clients(self) -> int:
        """Count the connections of clients: no links of replication, not the one that asks."""
        with self.admin(decode_responses=True) as admin:
            own = admin.client_id()
            clients = admin.client_list()
        return sum(
            int(each["id"]) != own and not {"S", "M"}.intersection(each["flags"])
            for each in clients
        )


def has_replicas_in_its_map(node: Node) -> bool:
    """Tell whether a node tells clients of a replica for each master.

    In a new cluster not at once: only of those whose offset in the replication it has heard of.
    """
    with node.admin() as admin:
        # As the server says it; redis-py makes a mapping of that.
        admin.set_response_callback("CLUSTER SLOTS", lambda answer, **_: answer)
        return all(len(slots) > 3 for slots in admin.execute_command("CLUSTER SLOTS"))


class Cluster:
    """Six nodes; a context manager. `masters()` and `replicas()` are as they are now."""

    def __init__(self) -> None:
        self.nodes = [Node() for _ in range(6)]

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor(6) as threads:
                list(threads.map(Node.start, self.nodes))
            self._form()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def _form(self) -> None:
        masters, replicas = self.nodes[:3], self.nodes[3:]
        bounds = [SLOTS * share // 3 for share in range(4)]
        for number, master in enumerate(masters):
            master.say("CLUSTER ADDSLOTS", *range(bounds[number], bounds[number + 1]))
        for epoch, node in enumerate(self.nodes, start=1):
            node.say("CLUSTER SET-CONFIG-EPOCH", epoch)
            self.nodes[0].say("CLUSTER MEET", node.host, node.port)
        wait_until(lambda: all(len(self._table(node)) == 6 for node in self.nodes), 20)
        for master, replica in zip(masters, replicas, strict=True):
            replica.say("CLUSTER REPLICATE", master.id())
        self.wait_until_whole()

    # -- what is so --------------------------------------------------------------------------

    @property
    def url(self) -> str:
        addresses = ",".join(node.name for node in self.nodes[:2])
        return f"redis+cluster://{addresses}"

    def _table(self, node: Node) -> list[list[str]]:
        return [line.split() for line in self._raw_nodes(node).splitlines()]

    def _raw_nodes(self, node: Node) -> str:
        with closing(node.admin(decode_responses=True)) as admin:
            admin.response_callbacks.clear()
            return str(admin.execute_command("CLUSTER NODES"))

    def running(self) -> list[Node]:
        return [node for node in self.nodes if node._process is not None]

    def named(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def masters(self) -> list[Node]:
        """Return the nodes that have slots, as one of those that run sees it."""
        table = self._table(self.running()[0])
        return [self.named(row[1].partition("@")[0]) for row in table if len(row) > 8]

    def replicas(self) -> list[Node]:
        masters = self.masters()
        return [node for node in self.nodes if node not in masters]

    def replica_of(self, master: Node) -> Node:
        own = master.id()
        row = next(row for row in self._table(master) if row[3] == own)
        return self.named(row[1].partition("@")[0])

    def master_of(self, key: str) -> Node:
        slot = key_slot(key.encode())
        for begin, end, owner, *_replicas in self.running()[0].say("CLUSTER SLOTS"):
            if begin <= slot <= end:
                return self.named(f"{owner[0]}:{owner[1]}")
        raise AssertionError(f"slot {slot} is nowhere")

    def keys_on(self, node: Node, prefix: str = "key") -> Iterator[str]:
        """Yield keys, as many as wanted, whose slots this node has."""
        ranges = [
            range(begin, end + 1)
            for begin, end, owner, *_ in node.say("CLUSTER SLOTS")
            if owner[1] == node.port
        ]
        for number in count():
            key = f"{prefix}:{number}"
            if any(key_slot(key.encode()) in each for each in ranges):
                yield key

    def key_on(self, node: Node, prefix: str = "key") -> str:
        return next(self.keys_on(node, prefix))

    def count_questions(self) -> int:
        """Count how often the nodes that run were asked about the cluster, so far."""
        stats = [node.say("INFO", "commandstats") for node in self.running()]
        return sum(int(each.get("cmdstat_cluster", {"calls": 0})["calls"]) for each in stats)

    # -- what is done to it ------------------------------------------------------------------

    def wait_until_whole(self) -> None:
        """Wait until each slot has a master and each master a replica that is in step."""
        wait_until(self._is_whole, 30)

    def _is_whole(self) -> bool:
        for node in self.nodes:
            try:
                if node.say("CLUSTER INFO")["cluster_state"] != "ok":
                    return False
                replication = node.say("INFO", "replication")
            except redis.RedisError:
                return False
            is_linked = replication.get("master_link_status", "up") == "up"
            has_replica = replication["role"] == "slave" or replication["connected_slaves"] == 1
            if not (is_linked and has_replica):
                return False
            table = self._table(node)
            if any("fail" in row[2] or "handshake" in row[2] for row in table):
                return False
        return len(self.masters()) == 3

    def heal(self) -> None:
        """Start again what was killed, and wait until all is well."""
        for node in self.nodes:
            if node._process is None:
                node.start()
        self.wait_until_whole()

    def flush(self) -> None:
        for node in self.masters():
            node.say("FLUSHALL")

    @contextmanager
    def migration(self, slot: int, source: Node, target: Node) -> Iterator[Callable[[], None]]:
        """Have a slot on its way: new keys go to `target` by ASK. At the end it is there.

        What is yielded moves the keys that there are.
        """
        target.say("CLUSTER SETSLOT", slot, "IMPORTING", source.id())
        source.say("CLUSTER SETSLOT", slot, "MIGRATING", target.id())

        def move() -> None:
            while keys := source.say("CLUSTER GETKEYSINSLOT", slot, 50):
                source.say("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *keys)

        yield move
        move()
        owner = target.id()
        target.say("CLUSTER SETSLOT", slot, "NODE", owner)
        source.say("CLUSTER SETSLOT", slot, "NODE", owner)
        for node in self.masters():
            with suppress(redis.ResponseError):
                node.say("CLUSTER SETSLOT", slot, "NODE", owner)

    def move(self, slot: int, source: Node, target: Node) -> None:
        with self.migration(slot, source, target) as move:
            move()

    def promote(self, replica: Node) -> None:
        """Fail over by command, and wait until it is so everywhere."""
        replica.say("CLUSTER FAILOVER")
        wait_until(lambda: all(replica in self._masters_seen_by(node) for node in self.running()))

    def _masters_seen_by(self, node: Node) -> list[Node]:
        return [self.named(row[1].partition("@")[0]) for row in self._table(node) if len(row) > 8]


def _free_port_with_bus() -> int:
    for _ in range(1000):
        port = random.randrange(20000, 50000)
        if _is_free(port) and _is_free(port + _BUS):
            return port
    raise NoRedisServerError("no two ports, 10000 apart, are free")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def slot_of(key: str) -> int:
    return int(key_slot(key.encode()))


def elapsed(function: Callable[[], Any]) -> float:
    """Return how long a call took, in seconds, however it ended."""
    began = time.monotonic()
    with suppress(redis.RedisError):
        function()
    return time.monotonic() - began
