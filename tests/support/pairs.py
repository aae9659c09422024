"""A connection whose other end the test itself has in hand: no server, no thread."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.connection import GuardedConnection


class PairedConnection(redis.Connection):
    """One half of a socket pair; `peers` gets the other half of each that is dialled."""

    greeting = b""  # what is said on it at once

    def __init__(self, *, peers: list[socket.socket], **kwargs: Any) -> None:
        self.peers = peers
        super().__init__(redis_connect_func=_no_handshake, **kwargs)

    def _connect(self) -> socket.socket:
        mine, peer = socket.socketpair()
        mine.settimeout(self.socket_timeout)
        self.peers.append(peer)
        peer.sendall(self.greeting)
        return mine


def _no_handshake(connection: Any) -> None:
    connection._parser.on_connect(connection)


class Scene(ExitStack):
    """A lease with its connection taken, and what the server is to say.

    What is said before a command is sent is there when its reply is read: nothing waits.
    """

    def __init__(self, monkeypatch: Any, **kwargs: Any) -> None:
        super().__init__()
        self._monkeypatch = monkeypatch
        self.peers: list[socket.socket] = []
        self.pool = RedisPool(
            PairedConnection, peers=self.peers, housekeeping_interval=None, **kwargs
        )
        self.callback(self._close_peers)
        self.enter_context(self.pool)
        self.client: LeasedRedis = self.enter_context(self.pool.lease())
        self.client.connection_pool.take()

    @property
    def connection(self) -> GuardedConnection:
        return self.client.connection_pool.held[0]

    @property
    def peer(self) -> socket.socket:
        return self.peers[-1]

    def say(self, data: bytes) -> None:
        self.peer.sendall(data)

    def heard(self) -> bytes:
        """Return what was sent to the server since this was last asked."""
        self.peer.setblocking(False)
        try:
            return self.peer.recv(1 << 16)
        except BlockingIOError:
            return b""

    def close_peer_in_order(self) -> None:
        """Close the other end after it has read all: a FIN, and no reset."""
        self.heard()
        self.peer.close()

    def when_dialled(self, data: bytes) -> None:
        """Say something on the connections to be dialled, before their first command."""
        self._monkeypatch.setattr(PairedConnection, "greeting", data)

    def when_sent(self, act: Callable[[], object]) -> None:
        """Do something when the next command is sent, and its reply not yet read."""
        lane = self.connection.lane
        assert lane is not None

        def send(packed: bytes) -> None:
            lane.send(packed)
            act()

        self.connection.lane = lane._replace(send=send)

    def when_put_back(self, act: Callable[[], object]) -> None:
        """Do something when the short way of the next command has ended, at its first read."""
        read_on = GuardedConnection.read_on

        def with_act(*args: Any) -> Any:
            self._monkeypatch.setattr(GuardedConnection, "read_on", read_on)
            act()
            return read_on(*args)

        self._monkeypatch.setattr(GuardedConnection, "read_on", with_act)

    def _close_peers(self) -> None:
        for peer in self.peers:
            peer.close()
