"""The short way in a child of a fork."""

from __future__ import annotations

import os

import pytest

from redis_pool_ext import LeaseError
from redis_pool_ext.wire.express import MISSED
from redis_pool_ext.wire.packing import pack_ordinary

from ..support.forks import FORK_WARNS, fork_without_hooks, in_child
from ..support.pairs import Scene


@pytest.mark.usefixtures("_no_pause")
@FORK_WARNS
@pytest.mark.parametrize("fork", [os.fork, fork_without_hooks], ids=["with hooks", "without"])
def test_child_of_a_fork(monkeypatch, fork):
    """Its copy of the socket is the parent's: nothing is sent there, again and again."""
    with Scene(monkeypatch) as scene:
        packed = pack_ordinary(("PING",))

        def child() -> None:
            for _ in range(2):
                assert scene.client.connection_pool.exchange("PING", packed) is MISSED
                with pytest.raises(LeaseError, match="after a fork"):
                    scene.client.ping()

        in_child(child, fork)
        assert scene.heard() == b""
        scene.say(b"+PONG\r\n")
        assert scene.client.ping()
