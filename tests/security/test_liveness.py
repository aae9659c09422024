"""Idle connections under TLS: what is there to be read may be TLS's own, or the end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.aio.liveness import is_alive
from redis_pool_ext.aio.liveness import looks_alive as looks_alive_to_tasks
from redis_pool_ext.pooling.liveness import is_quiet, looks_alive

from ..aio.tasks import wait_until as wait_in_loop
from ..leaks.conftest import NO_INTRODUCTION
from ..support.certificates import authority_file
from ..support.threads import wait_until
from ..support.tls import Peer, context_of

# No command in the handshake: nothing is read before the first one of a borrower.
SILENT: dict[str, Any] = {
    "protocol": 2,
    **NO_INTRODUCTION,
    "max_connections": 1,
    "timeout": 10,
}
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(params=[V12, V13], ids=["1.2", "1.3"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """The server's end of a connection, for each version of TLS."""
    with Peer(context_of(versions=(request.param, request.param))) as peer:
        yield peer


@pytest.fixture
def peer13() -> Iterator[Peer]:
    with Peer(context_of(versions=(V13, V13))) as peer:
        yield peer


def url_of(peer: Peer) -> str:
    return f"rediss://localhost:{peer.port}/0?ssl_ca_certs={authority_file()}"


@pytest.fixture
def idle(peer: Peer) -> Iterator[Any]:
    """An idle connection of threads, to that end; TLS has nothing more to say to it."""
    with RedisPool.from_url(url_of(peer), **SILENT) as pool:
        assert pool.warm_up(1, timeout=10) == 1
        peer.wait()
        (connection,) = pool._ledger.idle
        wait_until(lambda: looks_alive(connection))
        yield connection


class TestThreads:
    """A look, which costs no round trip."""

    def test_unread_ticket_is_no_end(self, peer13: Peer):
        """The server sends it when its handshake is over; it is read once, by the look."""
        with RedisPool.from_url(url_of(peer13), **SILENT) as pool:
            connection = pool.get_connection()
            sock = connection._sock
            wait_until(lambda: not is_quiet(sock))

            assert looks_alive(connection)
            assert is_quiet(sock)
            assert looks_alive(connection)
            assert sock.gettimeout() == connection.socket_timeout
            pool.release(connection)

    def test_connection_with_an_unread_ticket_is_lent_again(self, peer13: Peer, clock):
        """It is not dialled anew: that one would have a ticket as well, and so on."""
        with RedisPool.from_url(url_of(peer13), validate_after=None, **SILENT) as pool:
            connection = pool.get_connection()
            pool.release(connection)
            wait_until(lambda: not is_quiet(connection._sock))
            clock.advance(20)

            assert pool.get_connection() is connection
            pool.release(connection)
            assert pool.stats().discarded == {}

    def test_first_command_comes_after_the_ticket(self, peer13: Peer):
        """The short way reads the reply, and not what TLS says before."""
        with RedisPool.from_url(url_of(peer13), **SILENT) as pool, pool.lease() as client:
            client.connection_pool.take()
            (connection,) = client.connection_pool.held
            wait_until(lambda: not is_quiet(connection._sock))
            peer13.say(b"$4\r\nmine\r\n")

            assert connection.lane is not None
            assert client.echo("mine") == b"mine"

    def test_quiet_connection_is_alive(self, idle: Any):
        """And has its timeout afterwards."""
        assert looks_alive(idle)
        assert idle._sock.gettimeout() == idle.socket_timeout

    def test_data_in_the_socket_is_no_sign_of_life(self, idle: Any, peer: Peer):
        """It would answer the next command."""
        peer.say(b"+OK\r\n")
        wait_until(lambda: not is_quiet(idle._sock))

        assert not looks_alive(idle)

    def test_data_in_tls_is_no_sign_of_life(self, idle: Any, peer: Peer):
        """Decrypted already: the socket itself is quiet."""
        peer.say(b"+OK\r\n")
        assert idle._sock.recv(1) == b"+"
        assert is_quiet(idle._sock)

        assert not looks_alive(idle)

    def test_data_in_the_parser_is_no_sign_of_life(self, idle: Any, peer: Peer):
        """It came together with the reply before."""
        peer.say(b"+mine\r\n+OK\r\n")
        idle.send_command("ECHO", "mine")
        assert idle.read_response() == b"mine"
        assert is_quiet(idle._sock)

        assert not looks_alive(idle)

    def test_goodbye_of_tls_is_an_end(self, idle: Any, peer: Peer):
        """The socket is open, and nothing more will come over it."""
        peer.say_goodbye()
        wait_until(lambda: not is_quiet(idle._sock))

        assert not looks_alive(idle)

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_end_without_a_goodbye_is_an_end(self, idle: Any, peer: Peer, reset: bool):
        """The server was killed."""
        peer.hang_up(reset=reset)
        wait_until(lambda: not is_quiet(idle._sock))

        assert not looks_alive(idle)

    def test_dead_connection_is_replaced_before_it_is_lent(self, tls_url: str, clock):
        """A restarted server costs its idle connections no error."""
        with RedisPool.from_url(tls_url, max_connections=1, timeout=10) as pool:
            connection = pool.get_connection()
            number = pool_client_id(connection)
            pool.release(connection)
            with RedisPool.from_url(tls_url, timeout=10) as other:
                other.client.client_kill_filter(_id=number)
            wait_until(lambda: not is_quiet(connection._sock))
            clock.advance(1)

            assert pool.client.ping()
            assert pool.stats().discarded == {"stale": 1}


def pool_client_id(connection: Any) -> int:
    connection.send_command("CLIENT", "ID")
    return connection.read_response()  # type: ignore[no-any-return]


class TestTasks:
    """The loop reads ahead; the look sees what it has not come to, yet."""

    async def _connection(self, pool: AsyncRedisPool, peer: Peer) -> Any:
        connection = await pool.get_connection()
        await asyncio.to_thread(peer.wait)
        return connection

    def run(self, peer: Peer, story: Any) -> None:
        async def telling() -> None:
            async with AsyncRedisPool.from_url(url_of(peer), **SILENT) as pool:
                connection = await self._connection(pool, peer)
                await wait_in_loop(lambda: is_quiet(self.socket_of(connection)))
                assert await is_alive(connection)
                await story(connection)
                await pool.release(connection)

        asyncio.run(telling())

    @staticmethod
    def socket_of(connection: Any) -> Any:
        return connection._writer.get_extra_info("socket")

    def test_unread_ticket_is_no_end(self, peer13: Peer):
        """Whether the loop has come to read it or not."""

        async def telling() -> None:
            async with AsyncRedisPool.from_url(url_of(peer13), **SILENT) as pool:
                connection = await pool.get_connection()
                peer13.wait()  # the loop stands still, and the ticket is there
                wait_until(lambda: not is_quiet(self.socket_of(connection)))

                assert looks_alive_to_tasks(connection)
                assert await is_alive(connection)
                assert is_quiet(self.socket_of(connection))
                await pool.release(connection)
                assert await pool.get_connection() is connection
                await pool.release(connection)

        asyncio.run(telling())

    def test_first_command_comes_after_the_ticket(self, peer13: Peer):
        """The short way reads the reply, and not what TLS says before."""

        async def telling() -> None:
            pool = AsyncRedisPool.from_url(url_of(peer13), **SILENT)
            async with pool, pool.lease() as client:
                await client.connection_pool.take()
                (connection,) = client.connection_pool.held
                peer13.say(b"$4\r\nmine\r\n")

                assert connection.lane is not None
                assert await client.echo("mine") == b"mine"

        asyncio.run(telling())

    def test_data_that_the_loop_has_not_read_is_no_sign_of_life(self, peer: Peer):
        """It would answer the next command; only TLS can tell that it is data."""

        async def story(connection: Any) -> None:
            peer.say(b"+OK\r\n")
            wait_until(lambda: not is_quiet(self.socket_of(connection)))
            assert connection._reader._buffer == b""
            assert not await is_alive(connection)

        self.run(peer, story)

    def test_goodbye_of_tls_is_an_end(self, peer: Peer):
        """The socket is open, and nothing more will come over it."""

        async def story(connection: Any) -> None:
            peer.say_goodbye()
            wait_until(lambda: not is_quiet(self.socket_of(connection)))
            assert not await is_alive(connection)

        self.run(peer, story)

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_end_without_a_goodbye_is_an_end(self, peer: Peer, reset: bool):
        """Seen at once, though the loop stands still."""

        async def story(connection: Any) -> None:
            peer.hang_up(reset=reset)
            wait_until(lambda: not is_quiet(self.socket_of(connection)))
            assert not looks_alive_to_tasks(connection)

        self.run(peer, story)
