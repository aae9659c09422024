"""An exchange on the short way that is struck, at any place."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool

from ..equivalence.stub import StubServer
from ..support.strikes import strike_everywhere
from .ways import PUSH

# A command's text, and what its reply is preceded by; the stub answers ECHO.
_BEFORE = {
    b"plain": b"",
    b"pushed": PUSH,
    b"refused": b"-ERR refused\r\n",
    b"an error inside": b"*2\r\n-ERR no\r\n:1\r\n",
    b"long" * 40_000: b"",
}


def echo(words: list[bytes]) -> bytes:
    text = words[1]
    before = _BEFORE.get(text, b"")
    if before[:1] in (b"-", b"*"):
        return before
    return before + b"$%d\r\n%s\r\n" % (len(text), text)


@pytest.fixture
def _no_collector(monkeypatch):
    """Let no garbage of other tests be struck in this one."""
    # A strike in a finalizer: the test runner's hook would keep the object alive.
    monkeypatch.setattr(sys, "unraisablehook", lambda _unraisable: None)
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_pause", "_no_collector")
@pytest.mark.parametrize("text", _BEFORE, ids=lambda text: text[:15].decode())
def test_strike_at_any_place_mixes_up_no_reply(text):
    """An alarm, wherever it strikes: closed or in order, and the next reply is its own."""
    with StubServer() as stub, borrowed(stub.url) as first:
        stub.reply = echo
        clients = [first]  # each strike finds a lease that was never struck
        ends: list[Any] = []

        def scenario() -> None:
            ends.clear()
            try:
                ends.append(clients[-1].execute_command("ECHO", text))
            except redis.ResponseError as error:
                ends.append(error)

        places = 0
        for where in strike_everywhere(scenario):
            places += 1
            client = clients.pop()
            assert not client.connection_pool.is_talking, where
            assert client.execute_command("ECHO", b"next") == b"next", where
            assert client.execute_command("ECHO", b"another") == b"another", where
            assert client.connection_pool.held[0].pending == 0, where
            client.connection_pool.end()
            clients.append(client.connection_pool.pool.lease().client())
            clients[-1].connection_pool.take()

        assert places >= 10
        assert len(ends) == 1  # of the run that came through


@contextmanager
def borrowed(url: str) -> Iterator[redis.Redis]:
    """Lend a client whose connection is there, and was not used yet."""
    with RedisPool.from_url(
        url, protocol=3, timeout=10, max_connections=1, housekeeping_interval=None
    ) as pool:
        client = pool.lease().client()
        client.connection_pool.take()
        yield client
