"""The dial of tasks: every step of it before one deadline, and nothing left of one that failed."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from contextlib import suppress

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import InvalidResponse

from redis_pool_ext.deadline import Deadline
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.certificates import authority_file, paper
from ..support.forks import open_sockets
from ..support.protocols import PROTOCOLS
from ..support.proxy import RESET_ON_CLOSE, FaultyProxy, Then
from ..support.tls import TLSFront, context_of
from .cancels import When, cancel_everywhere
from .scene import ask, make, serving
from .tasks import start, wait_until


def names(monkeypatch, **addresses: list[str]) -> None:
    """Let names of hosts have these addresses; the underscore stands for a dot."""
    asked = socket.getaddrinfo
    known = {name.replace("_", "."): found for name, found in addresses.items()}

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in known:
            return asked(host, port, *args, **kwargs)
        if not known[host] or socket.AI_NUMERICHOST in args:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [entry for each in known[host] for entry in asked(each, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def deaf():
    """The port of a server that accepts and never answers, on each address of the machine."""
    with socket.create_server(("", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


class TestDeadline:
    """One for all of it, and redis-py's own class of error when it has passed."""

    @PROTOCOLS
    @pytest.mark.parametrize("password", [None, "secret"])
    async def test_server_that_never_answers(self, deaf, protocol, password):
        """The handshake is cut, whatever `socket_timeout` says."""
        connection = make(host="127.0.0.1", port=deaf, protocol=protocol, password=password)
        began = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            await connection.open(Deadline(0.1))

        assert 0.1 <= time.monotonic() - began < 1.0
        assert not connection.is_dialling
        assert not connection.heard
        assert (connection.dirt(), connection._lost) == ("closed", frozenset())
        assert open_sockets(deaf) == set()

    async def test_server_that_says_a_byte_now_and_then(self, redis_server):
        """Each of them in time, and all of them too late."""
        with FaultyProxy(redis_server.port) as proxy:
            proxy.drip(0.02)
            connection = make(host="127.0.0.1", port=proxy.port, protocol=3)
            with pytest.raises(redis.TimeoutError):
                await connection.open(Deadline(0.15))

            assert open_sockets(proxy.port) == set()

    async def test_deadline_that_has_passed(self):
        """Nothing is dialled."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            connection = make(host="127.0.0.1", port=listener.getsockname()[1])
            with pytest.raises(redis.TimeoutError):
                await connection.open(Deadline(0))
            with pytest.raises(BlockingIOError):
                listener.accept()

    @pytest.mark.parametrize("end", ["late", "cancelled"])
    async def test_handshake_that_waits_for_somebody_else(self, deaf, end):
        """For a credential provider, say: the socket is closed there, too."""
        waits = asyncio.Event()

        class Provider(redis.CredentialProvider):
            async def get_credentials_async(self):
                waits.set()
                await asyncio.sleep(60)

        connection = make(host="127.0.0.1", port=deaf, credential_provider=Provider())
        dialling = start(connection.open(Deadline(0.05 if end == "late" else 50)))
        await waits.wait()
        if end == "cancelled":
            dialling.cancel()
        await asyncio.wait([dialling])

        assert dialling.cancelled() == (end == "cancelled")
        assert open_sockets(deaf) == set()

    async def test_retry_policy_is_not_for_dials(self, deaf):
        """The pool decides how often to dial; for commands the policy stays."""
        policy = redis.asyncio.retry.Retry(redis.backoff.ConstantBackoff(5), 3)
        connection = make(host="127.0.0.1", port=1, retry=policy)
        began = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            await connection.open(Deadline(5))

        assert time.monotonic() - began < 1
        assert connection.retry.get_retries() == 3

    async def test_settings_are_kept_after_the_deadline(self, redis_server, admin):
        """While dialling the timeouts are cut; afterwards they are what was configured."""
        connection = make(
            host="127.0.0.1", port=redis_server.port, socket_timeout=7, socket_connect_timeout=8
        )
        await connection.open(Deadline(2))

        assert (connection.socket_timeout, connection.socket_connect_timeout) == (7, 8)
        assert type(connection._reader) is asyncio.StreamReader
        assert connection._parser._stream is connection._reader
        connection.retire()


class TestNames:
    """A host's name may have several addresses, and each has its share of the time."""

    async def test_second_address_is_tried(self, redis_server, admin, monkeypatch):
        """At the first one nobody listens."""
        names(monkeypatch, redis_test=["127.0.0.3", "127.0.0.1"])
        connection = make(host="redis.test", port=redis_server.port)
        await connection.open(Deadline(5))

        assert await ask(connection, "PING") == b"PONG"
        assert connection.host == "redis.test"
        connection.retire()

    async def test_address_that_is_dead_takes_its_share(self, redis_server, admin, monkeypatch):
        """Nothing comes back from there, and there is time left for the other one."""
        names(monkeypatch, redis_test=["127.0.0.3", "127.0.0.1"])
        connect = asyncio.get_running_loop().sock_connect

        async def sock_connect(sock, address):
            if address[0] == "127.0.0.3":
                await asyncio.sleep(60)
            await connect(sock, address)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
        connection = make(host="redis.test", port=redis_server.port)
        began = time.monotonic()
        await connection.open(Deadline(0.6))

        assert 0.3 <= time.monotonic() - began < 0.6
        assert connection.is_connected
        connection.retire()

    async def test_name_that_is_not_resolved_in_time(self, monkeypatch):
        """The operating system's own lookup has no limit."""

        async def getaddrinfo(*_args, **_kwargs):
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        connection = make(host="redis.test", port=6379)
        with pytest.raises(redis.TimeoutError):
            await connection.open(Deadline(0.05))

    async def test_name_that_nobody_knows(self, monkeypatch):
        """It is told as redis-py tells it."""
        names(monkeypatch, redis_test=[])
        with pytest.raises(redis.ConnectionError, match=r"redis\.test"):
            await make(host="redis.test", port=6379).open(Deadline(5))

    async def test_no_address_answers(self, monkeypatch):
        """The last one's error is told, under the host's name."""
        names(monkeypatch, redis_test=["127.0.0.3", "127.0.0.2"])
        with pytest.raises(redis.ConnectionError, match=r"redis\.test:1"):
            await make(host="redis.test", port=1).open(Deadline(5))


class TestHeard:
    """Whether the server has said something decides what its error means."""

    async def test_full_server_is_heard(self):
        """It says so, and hangs up."""
        with EmbeddedRedis("--maxclients", "1") as server, only_client(server):
            connection = make(host="127.0.0.1", port=server.port)
            with pytest.raises(redis.ConnectionError, match="max number of clients"):
                await connection.open(Deadline(5))
            assert connection.heard

    @pytest.mark.parametrize("reset", [False, True])
    async def test_hang_up_is_not_heard(self, redis_server, reset):
        """In place of an answer."""
        with FaultyProxy(redis_server.port) as proxy:
            proxy.hang_up(reset=reset)
            connection = make(host="127.0.0.1", port=proxy.port)
            with pytest.raises(redis.ConnectionError):
                await connection.open(Deadline(5))
            assert not connection.heard

    async def test_hang_up_after_an_answer_is_not_heard(self):
        """What was said before tells nothing about that."""
        said = [b"+OK\r\n", b""]

        async def serve(reader, writer):
            while await reader.read(1000):
                answer = said.pop(0)
                if not answer:
                    break
                writer.write(answer)
            writer.close()

        async with serving(serve) as port:
            connection = make(host="127.0.0.1", port=port, protocol=2, client_name="me")
            with pytest.raises(redis.ConnectionError):
                await connection.open(Deadline(5))
            assert said == []
            assert not connection.heard

    async def test_reset_after_an_answer_is_not_heard(self):
        """Whether it is met as the next command is sent, or as its answer is read."""

        async def serve(reader, writer):
            await reader.read(1000)
            writer.write(b"+OK\r\n")
            await reader.read(1000)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

        async with serving(serve) as port:
            connection = make(host="127.0.0.1", port=port, protocol=2, client_name="me", db=3)
            with pytest.raises(redis.ConnectionError):
                await connection.open(Deadline(5))
            assert not connection.heard

    async def test_several_commands_go_out_together(self):
        """A server that is full has hung up by the second one, and what it said would be lost."""
        received = []

        async def serve(reader, writer):
            while data := await reader.read(1000):
                received.append(data.count(b"*"))
                writer.write(b"+OK\r\n" * received[-1])
            writer.close()

        async with serving(serve) as port:
            connection = make(host="127.0.0.1", port=port, protocol=2, db=3)
            await connection.open(Deadline(5))
            connection.retire()
        assert received == [3]  # twice SETINFO, and SELECT

    async def test_command_whose_answer_is_not_read_goes_out_as_well(self):
        """As the handshake ends, or a callback reads."""
        received = []

        async def serve(reader, writer):
            received.append(await reader.readline())
            writer.close()

        async def shake_hands(connection) -> None:
            connection._parser.on_connect(connection)
            await connection.send_packed_command(b"PING\r\n")

        async with serving(serve) as port:
            connection = make(host="127.0.0.1", port=port, redis_connect_func=shake_hands)
            await connection.open(Deadline(5))
            await wait_until(lambda: bool(received))
            connection.retire()
        assert received == [b"PING\r\n"]

    async def test_garbage_is_heard(self, redis_server):
        """Something answers there, and it is no Redis."""
        with FaultyProxy(redis_server.port) as proxy:
            proxy.garble()
            connection = make(host="127.0.0.1", port=proxy.port)
            with pytest.raises(InvalidResponse):
                await connection.open(Deadline(5))
            assert connection.heard

    @PROTOCOLS
    async def test_parser_in_python_hears_as_well(self, redis_server, admin, protocol):
        """It reads by lines."""
        parsers = (
            redis.asyncio.connection._AsyncRESP2Parser,
            redis.asyncio.connection._AsyncRESP3Parser,
        )
        with FaultyProxy(redis_server.port) as proxy:
            proxy.break_off(3, Then.CLOSE)
            settings = {"protocol": protocol, "parser_class": parsers[protocol - 2]}
            connection = make(host="127.0.0.1", port=proxy.port, client_name="me", **settings)
            with pytest.raises(redis.ConnectionError):
                await connection.open(Deadline(5))
            assert connection.heard
            proxy.resume()
            await connection.open(Deadline(5))
            assert connection._parser._stream is connection._reader
            assert await ask(connection, "CLIENT", "GETNAME") == b"me"
            connection.retire()


def only_client(server: EmbeddedRedis) -> socket.socket:
    """Connect, as soon as the server has noticed that the one before has gone."""
    while True:
        sock = socket.create_connection((server.host, server.port))
        sock.sendall(b"PING\r\n")
        if sock.recv(100).startswith(b"+PONG"):
            return sock
        sock.close()


class TestKinds:
    """Unix sockets, TLS, and ways to connect of somebody's own."""

    async def test_unix_socket_works(self, tmp_path):
        """Its handshake is done once, and a refused password is told as such."""
        path = str(tmp_path / "redis.sock")
        with EmbeddedRedis("--unixsocket", path, "--requirepass", "secret") as server:
            settings = {"path": path, "protocol": 3}
            connection = make(UnixDomainSocketConnection, password="secret", db=2, **settings)
            await connection.open(Deadline(5))
            assert (await ask(connection, "CLIENT", "LIST")).count(b"db=2") == 1
            connection.retire()
            with redis.Redis(port=server.port, password="secret", protocol=2) as admin:
                assert admin.info("commandstats")["cmdstat_hello"]["calls"] == 1

            wrong = make(UnixDomainSocketConnection, password="wrong", **settings)
            with pytest.raises(redis.AuthenticationError):
                await wrong.open(Deadline(5))

    async def test_unix_socket_that_is_not_there(self, tmp_path):
        """A connection error, as anywhere."""
        connection = make(UnixDomainSocketConnection, path=str(tmp_path / "nothing"))
        with pytest.raises(redis.ConnectionError):
            await connection.open(Deadline(5))

    @pytest.mark.parametrize("protocol", [2, 3])
    async def test_refused_password_is_told_as_such(self, protocol):
        """It is the configuration's fault, not the network's."""
        with EmbeddedRedis("--requirepass", "secret") as server:
            settings = {"host": "127.0.0.1", "port": server.port, "protocol": protocol}
            with pytest.raises(redis.AuthenticationError):
                await make(password="wrong", **settings).open(Deadline(5))
            assert open_sockets(server.port) == set()

    async def test_tls_is_for_the_name_and_not_for_the_address(
        self, redis_server, admin, monkeypatch
    ):
        """Where the name has two addresses, and the certificate none."""
        names(monkeypatch, redis_test=["127.0.0.3", "127.0.0.1"])
        with TLSFront(redis_server.port, context_of(paper("redis.test"))) as port:
            connection = make(
                SSLConnection, host="redis.test", port=port, ssl_ca_certs=authority_file()
            )
            await connection.open(Deadline(5))

            assert await ask(connection, "ECHO", "mine") == b"mine"
            assert connection.lane is not None
            connection.retire()
            assert open_sockets(port) == set()

    async def test_tls_that_is_refused_leaves_nothing(self, redis_server):
        """The certificate is nobody's whom we trust."""
        with TLSFront(redis_server.port) as port:
            connection = make(SSLConnection, host="127.0.0.1", port=port)
            with pytest.raises(redis.ConnectionError, match="certificate"):
                await connection.open(Deadline(5))
            assert open_sockets(port) == set()

    async def test_tls_that_never_comes_about(self, deaf):
        """Its handshake is before the deadline, too."""
        connection = make(SSLConnection, host="127.0.0.1", port=deaf)
        with pytest.raises(redis.TimeoutError):
            await connection.open(Deadline(0.1))
        await asyncio.sleep(0)  # asyncio closes what has not come about in the next round

        assert open_sockets(deaf) == set()

    async def test_callbacks_of_others_come_after_the_handshake(self, redis_server, admin):
        """PubSub subscribes in its own: that is noted, and counts."""

        class Subscriber:
            async def on_connect(self, connection) -> None:
                assert not connection.is_dialling
                await connection.send_command("SUBSCRIBE", "news")

        subscriber = Subscriber()
        connection = make(host="127.0.0.1", port=redis_server.port, db=3)
        connection.register_connect_callback(subscriber.on_connect)
        await connection.open(Deadline(5))

        assert (connection.marks, connection.pending) == ({"SUBSCRIBE"}, 1)
        connection.retire()


class TestCancellation:
    """A dial that is cancelled, once or twice, leaves no socket."""

    @PROTOCOLS
    @pytest.mark.parametrize("when", When, ids=lambda when: when.value)
    async def test_cancelled_dial_leaves_no_socket(self, redis_server, admin, when, protocol):
        """At each place where it waits: the lookup, the connect, each reply."""
        others = open_sockets(redis_server.port)
        settings = {"protocol": protocol, "db": 3, "client_name": "me"}
        connection = make(host="localhost", port=redis_server.port, **settings)
        places = 0
        async for _place in cancel_everywhere(lambda: connection.open(Deadline(5)), when):
            places += 1
            await asyncio.sleep(0)  # asyncio closes what has not come about in the next round
            if connection.is_connected:  # it came through
                assert await ask(connection, "CLIENT", "GETNAME") == b"me"
            else:
                assert open_sockets(redis_server.port) == others
            assert (connection.pending, connection.is_dialling) == (0, False)
            assert connection._lost == frozenset()
            connection.cut()
        assert places >= 4
        connection.retire()
        assert open_sockets(redis_server.port) == others

    async def test_failed_dial_keeps_no_connection_alive(self, deaf, monkeypatch):
        """Its error refers to no frames; nobody has to wait for the garbage collector."""
        connect = asyncio.get_running_loop().sock_connect

        async def sock_connect(sock, address):
            await (connect(sock, address) if address[1] else asyncio.sleep(60))

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
        gc.disable()
        try:
            for port, patience, limit in ((1, 5, 5), (deaf, 0.02, 5), (0, 5, 0.01)):
                connection = make(host="127.0.0.1", port=port, socket_connect_timeout=limit)
                ref = weakref.ref(connection)
                with suppress(redis.RedisError):
                    await connection.open(Deadline(patience))
                del connection
                await asyncio.sleep(0)  # asyncio itself has the cancellation in hand until then
                assert ref() is None
        finally:
            gc.enable()

    async def test_dial_that_is_cancelled_while_it_is_looked_up(self, monkeypatch):
        """There was nothing to close yet."""

        async def getaddrinfo(*_args, **_kwargs):
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        connection = make(host="redis.test", port=6379)
        dialling = start(connection.open(Deadline(50)))
        await wait_until(lambda: connection.is_dialling)
        dialling.cancel()
        await asyncio.wait([dialling])

        assert dialling.cancelled()
        assert not connection.is_dialling
