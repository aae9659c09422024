"""Closing at once, wherever that has to be done: no socket is left, and nothing complains."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.connection import SSLConnection

from redis_pool_ext.aio.closing import close_at_once
from redis_pool_ext.deadline import Deadline

from ..support.certificates import authority_file
from ..support.forks import FORK_WARNS, in_child, open_sockets
from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until
from ..support.tls import TLSFront
from .scene import Scene, ask, make

Loops = Callable[[], asyncio.AbstractEventLoop]


def _uvloop() -> asyncio.AbstractEventLoop:
    return pytest.importorskip("uvloop").new_event_loop()


@pytest.fixture(params=["plain", "tls"])
def dial(request, redis_server, admin) -> Iterator[Callable[[], Any]]:
    """A connection that is not open yet, over TLS or not."""
    if request.param == "plain":
        with FaultyProxy(redis_server.port) as proxy:
            yield lambda: make(host="127.0.0.1", port=proxy.port)
    else:
        with TLSFront(redis_server.port) as port:
            settings = {"ssl_ca_certs": authority_file(), "ssl_check_hostname": False}
            yield lambda: make(SSLConnection, host="127.0.0.1", port=port, **settings)


@pytest.fixture(params=[asyncio.new_event_loop, _uvloop], ids=["asyncio", "uvloop"])
def loop(request) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that does not run, of either make."""
    loop = request.param()
    yield loop
    if not loop.is_closed() and not is_asyncios(loop):
        loop.run_until_complete(asyncio.sleep(0))  # it closes its sockets itself, or not at all
    loop.close()


@contextmanager
def running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let the loop run in another thread."""
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def retire(held: list[Any]) -> None:
    held[0].retire()
    assert not held[0].is_connected
    held[0].retire()  # twice is fine


def drop(held: list[Any]) -> None:
    held.clear()


ENDS = pytest.mark.parametrize("end", [retire, drop], ids=["retired", "dropped"])


async def open_one(connection: Any) -> list[Any]:
    """Return a list with the open connection, to be the only one who refers to it."""
    await connection.open(Deadline(5))
    return [connection]


def is_asyncios(loop: asyncio.AbstractEventLoop) -> bool:
    return isinstance(loop, asyncio.SelectorEventLoop)


@ENDS
def test_in_its_running_loop(dial, loop, end):
    """The socket is closed before anything else happens there."""
    port = dial().port

    async def main() -> None:
        held = await open_one(dial())
        assert len(open_sockets(port)) == 1
        end(held)
        if not is_asyncios(loop):
            await asyncio.sleep(0.01)
        assert open_sockets(port) == set()

    loop.run_until_complete(main())


@ENDS
def test_in_debug_mode(dial, end):
    """asyncio looks more closely then at who closes what."""

    async def main() -> None:
        end(await open_one(dial()))
        await asyncio.sleep(0)

    asyncio.run(main(), debug=True)
    gc.collect()


@ENDS
def test_while_its_loop_does_not_run(dial, loop, end):
    """Nor is it certain that it will again."""
    held = loop.run_until_complete(open_one(dial()))
    end(held)

    if not is_asyncios(loop):
        loop.run_until_complete(asyncio.sleep(0))
    assert open_sockets(dial().port) == set()
    loop.close()
    gc.collect()


def test_loop_goes_on_afterwards(dial, loop):
    """What was closed while it did not run is not looked at any more; the next one is."""
    first = loop.run_until_complete(open_one(dial()))
    retire(first)
    held = loop.run_until_complete(open_one(dial()))

    assert loop.run_until_complete(ask(held[0], "ECHO", "mine")) == b"mine"
    drop(held)


@ENDS
def test_after_its_loop_was_closed(dial, loop, end):
    """There is nobody left to close it, or to be told."""
    held = loop.run_until_complete(open_one(dial()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # uvloop closes it, and complains
        loop.close()
    end(held)
    gc.collect()

    assert open_sockets(dial().port) == set()


@ENDS
def test_while_somebody_waits_in_a_closed_loop(dial, end):
    """A reader that was left there cannot be woken, and does not keep the socket."""
    loop = asyncio.new_event_loop()
    held = loop.run_until_complete(open_one(dial()))

    async def wait() -> None:
        reading = held[0]._reader.read(1)
        reading.send(None)
        held.append(reading)

    loop.run_until_complete(wait())
    loop.close()
    end(held[:1] if end is retire else held)
    held.clear()
    gc.collect()

    assert open_sockets(dial().port) == set()


def test_command_that_is_dropped_after_its_loop(dial):
    """Its coroutine is collected, and ends where nothing can be awaited."""
    loop = asyncio.new_event_loop()
    [connection] = loop.run_until_complete(open_one(dial()))
    asking = ask(connection, "BLPOP", "nothing", 0)

    async def begin() -> None:
        asking.send(None)

    loop.run_until_complete(begin())
    loop.close()
    asking.close()

    assert not connection.is_connected
    assert open_sockets(dial().port) == set()


@ENDS
def test_in_another_thread_than_its_loop(dial, loop, end):
    """The loop is asked to do it, as soon as it can."""
    with running(loop):
        held = asyncio.run_coroutine_threadsafe(open_one(dial()), loop).result(10)
        end(held)
        wait_until(lambda: open_sockets(dial().port) == set())


def test_as_its_loop_is_closed_in_another_thread(dial):
    """Between the look at it and the call."""
    loop = asyncio.new_event_loop()
    held = loop.run_until_complete(open_one(dial()))
    loop.close()
    loop.is_running = lambda: True  # type: ignore[method-assign]
    retire(held)

    assert open_sockets(dial().port) == set()


@FORK_WARNS
@ENDS
def test_in_a_child_its_parent_goes_on(dial, loop, end):
    """The child closes its copy, and touches nothing of what the two have in common."""
    held = loop.run_until_complete(open_one(dial()))
    port = dial().port

    def check() -> None:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            end(held)
            held.clear()
            gc.collect()
        assert [str(each.message) for each in warned] == []
        assert open_sockets(port) == set()

    in_child(check)

    assert loop.run_until_complete(ask(held[0], "ECHO", "mine")) == b"mine"
    drop(held)


@FORK_WARNS
def test_in_a_child_of_a_running_loop(dial, loop):
    """Forked by a task, in the middle of it all."""
    port = dial().port

    async def main() -> None:
        held = await open_one(dial())

        def check() -> None:
            retire(held)
            assert open_sockets(port) == set()

        in_child(check)
        assert await ask(held[0], "ECHO", "mine") == b"mine"
        drop(held)

    loop.run_until_complete(main())


def test_what_is_unsent_is_lost(redis_server):
    """The server reads nothing: nobody waits until it does."""

    async def main(proxy: FaultyProxy) -> None:
        held = await open_one(make(host="127.0.0.1", port=proxy.port))
        proxy.swallow()
        held[0]._writer.write(b"x" * 30_000_000)
        retire(held)
        assert open_sockets(proxy.port) == set()

    with FaultyProxy(redis_server.port) as proxy:
        asyncio.run(main(proxy))


async def test_peer_sees_the_end():
    """At once, and before the loop's next round."""
    async with Scene() as scene:
        peer = scene.peer._writer.get_extra_info("socket")
        scene.connection.retire()
        assert os.read(peer.fileno(), 10) == b""


async def test_reader_that_waits_is_woken():
    """It sees the end of the stream."""
    async with Scene() as scene:
        reading = asyncio.ensure_future(scene.connection._reader.read(1))
        await asyncio.sleep(0)
        scene.connection.retire()
        assert await reading == b""


def test_connection_that_never_was_open_has_nothing_to_close():
    """Nor has one whose arguments were wrong."""
    make(host="127.0.0.1").retire()
    with pytest.raises(redis.DataError):
        make(password="p", credential_provider=redis.UsernamePasswordCredentialProvider())
    gc.collect()


def test_writer_of_a_fake_has_no_transport():
    """It is closed as it wishes, wherever that is."""
    closed = []

    class Writer:
        def close(self) -> None:
            closed.append(True)

    async def main() -> None:
        close_at_once(Writer(), asyncio.get_running_loop(), is_inherited=False)

    asyncio.run(main())
    close_at_once(Writer(), None, is_inherited=False)

    assert closed == [True, True]


def test_collected_by_another_thread(dial, loop):
    """With all that belongs to it, in whatever order, before its loop knows of it."""

    async def main() -> None:
        cycle = await open_one(dial())
        cycle.append(cycle)
        del cycle
        spawn(gc.collect).result()  # the loop waits here, too
        await asyncio.sleep(0.01)
        assert open_sockets(dial().port) == set()

    gc.collect()
    gc.disable()
    try:
        loop.run_until_complete(main())
    finally:
        gc.enable()
