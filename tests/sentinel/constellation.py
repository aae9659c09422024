"""A master, two replicas and three Sentinels of a test's own, each a real process."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, NamedTuple, Self

import redis

from ..support.server import Server
from ..support.threads import Spawned, spawn, wait_until

SERVICE = "mymaster"
DOWN_AFTER = 0.7  # seconds of silence before a Sentinel takes a server for dead


class Sentinel(Server):
    """A redis-server as a Sentinel; `settings` are lines for its configuration."""

    def __init__(self, master: int, *settings: str) -> None:
        super().__init__()
        self.name = ""
        self.settings: tuple[str, ...] = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER * 1000:.0f}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *settings,
        )

    def _spawn(self, port: int) -> Popen[bytes]:
        folder = Path(self._folder.name)
        lines = (f"port {port}", f"bind {self.host}", f"dir {folder}", *self.settings)
        (folder / "conf").write_text("\n".join(lines) + "\n")
        return Popen(
            [str(self.program), str(folder / "conf"), "--sentinel"],
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def says(self, *question: str) -> Any:
        """Return what it answers to a SENTINEL command."""
        with self.admin(decode_responses=True, protocol=2) as admin:
            return admin.execute_command("SENTINEL", *question)


def free_ports(count: int) -> list[int]:
    """Return ports that are free, no two the same: all are taken before any is let go."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def introduced(sentinels: list[Sentinel]) -> list[Sentinel]:
    """Let Sentinels know of each other from the start; to find out takes them seconds."""
    ports = free_ports(len(sentinels))
    for number, (sentinel, port) in enumerate(zip(sentinels, ports, strict=True), 1):
        sentinel.port = port
        sentinel.name = f"{number:040x}"
    for sentinel in sentinels:
        sentinel.settings += (f"sentinel myid {sentinel.name}",)
        for other in sentinels:
            if other is not sentinel:
                known = f"{SERVICE} {other.host} {other.port} {other.name}"
                sentinel.settings += (f"sentinel known-sentinel {known}",)
    return sentinels


class Constellation:
    """Servers and Sentinels that know each other; a context manager."""

    def __init__(self, *arguments: str, settings: tuple[str, ...] = ()) -> None:
        self.servers = [
            Server("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *arguments)
            for _ in range(3)
        ]
        self.sentinels: list[Sentinel] = []
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            master, *replicas = [self._stack.enter_context(server) for server in self.servers]
            for replica in replicas:
                demote(replica, master)
            # A Sentinel looks at a replica that is not in sync only ten seconds later again.
            wait_until(lambda: all(map(is_in_sync, replicas)))
            replicate(master)
            self.sentinels = introduced([Sentinel(master.port, *self._settings) for _ in range(3)])
            for sentinel in self.sentinels:
                self._stack.enter_context(sentinel)
            wait_until(self.is_ready, 15)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def is_ready(self) -> bool:
        """Tell whether each Sentinel knows of all others, too: they can fail over."""
        masters = [_fields(each.says("MASTER", SERVICE)) for each in self.sentinels]
        return self.is_in_order() and all(each["num-other-sentinels"] == "2" for each in masters)

    def is_in_order(self) -> bool:
        """Tell whether each Sentinel finds all servers in order."""
        for sentinel in self.sentinels:
            master = _fields(sentinel.says("MASTER", SERVICE))
            replicas = [_fields(each) for each in sentinel.says("REPLICAS", SERVICE)]
            if (
                master["flags"] != "master"
                or len(replicas) != 2
                or any(each["flags"] != "slave" for each in replicas)
                or any(each["master-link-status"] != "ok" for each in replicas)
            ):
                time.sleep(0.05)
                return False
        return True

    # -- who is who ------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address for a pool."""
        return self.url_of(*self.sentinels)

    def url_of(self, *sentinels: Sentinel) -> str:
        """The address for a pool that asks these, in this order."""
        return f"redis+sentinel://{','.join(each.address for each in sentinels)}/{SERVICE}/0"

    @property
    def master(self) -> Server:
        """The server that most Sentinels name."""
        named = [s.says("GET-MASTER-ADDR-BY-NAME", SERVICE)[1] for s in self.sentinels]
        return self.at(int(max(named, key=named.count)))

    def at(self, port: int) -> Server:
        return next(server for server in self.servers if server.port == port)

    @property
    def replicas(self) -> list[Server]:
        master = self.master
        return [server for server in self.servers if server is not master]

    # -- what happens to them --------------------------------------------------------------

    def switch_by_hand(self) -> tuple[Server, Server]:
        """Make a replica the master, and leave all sockets open; return (old, new).

        Sentinel itself would cut the clients of both.
        """
        old, (new, other) = self.master, self.replicas
        with new.admin() as admin:
            admin.replicaof("NO", "ONE")
        demote(old, new)
        demote(other, new)
        for sentinel in self.sentinels:
            sentinel.says("REMOVE", SERVICE)
            sentinel.says("MONITOR", SERVICE, new.host, str(new.port), "2")
            milliseconds = f"{DOWN_AFTER * 1000:.0f}"
            sentinel.says("SET", SERVICE, "down-after-milliseconds", milliseconds)
        return old, new

    @contextmanager
    def frozen(self, *servers: Server) -> Iterator[None]:
        """Freeze these as long as the block lasts."""
        for server in servers:
            server.freeze()
        try:
            yield
        finally:
            for server in servers:
                server.thaw()

    def watch_for_switch(self, *sentinels: Sentinel) -> Spawned:
        """Begin to listen, to all Sentinels or to these; the result is a `Switch`."""
        listeners = [_Listener(sentinel) for sentinel in sentinels or self.sentinels]
        return spawn(_switch_heard_by, listeners)


class Switch(NamedTuple):
    """What the Sentinels have said of a failover."""

    first: float  # the moment of the first +switch-master
    last: float  # and of the last, when all of them knew
    port: int  # of the new master


class _Listener:
    """A subscription to one Sentinel's events."""

    def __init__(self, sentinel: Sentinel) -> None:
        self.client = sentinel.admin(socket_timeout=30)
        self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe("+switch-master")
        self.pubsub.get_message(timeout=5)

    def close(self) -> None:
        self.pubsub.close()
        self.client.close()


def _switch_heard_by(listeners: list[_Listener], seconds: float = 30) -> Switch:
    end = time.monotonic() + seconds
    moments: dict[_Listener, float] = {}
    try:
        while len(moments) < len(listeners):
            assert time.monotonic() < end, "not all Sentinels have switched to another master"
            for listener in listeners:
                message = listener.pubsub.get_message(timeout=0.002)
                if message:  # service, old host, old port, new host, new port
                    moments[listener] = time.monotonic()
                    port = int(message["data"].split()[-1])
    finally:
        for listener in listeners:
            listener.close()
    return Switch(min(moments.values()), max(moments.values()), port)


def demote(server: Server, master: Server) -> None:
    """Make a server a replica by hand; its clients keep their sockets."""
    with server.admin() as admin:
        admin.replicaof(master.host, str(master.port))


def replicate(master: Server) -> None:
    """Wait until both replicas have what was written so far; with a first sync, for a second."""
    with master.admin() as admin:
        admin.set("replicated", "yes")
        assert admin.wait(2, 5000) == 2


def is_in_sync(replica: Server) -> bool:
    with suppress(redis.ConnectionError), replica.admin() as admin:
        return bool(admin.info("replication").get("master_link_status") == "up")
    return False


def _fields(reply: list[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
