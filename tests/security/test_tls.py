"""TLS by URL and options: who is trusted, who is refused, and what the refused are told."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection

from redis_pool_ext import (
    AsyncRedisPool,
    ConfigError,
    PoolTLSError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.settings.rules import arguments_of

from ..support.certificates import (
    authority_file,
    authority_folder,
    encrypted,
    paper,
    self_signed,
)
from ..support.threads import spawn
from .conftest import Serve
from .sides import Side, Threads

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PATIENCE = {"timeout": 10}

OF_TASKS = arguments_of(AsyncSSLConnection) or frozenset()


def with_all(side: Side, *names: str) -> Side:
    """Return `side`, or threads where redis-py (before 7) has these arguments for them alone."""
    return side if OF_TASKS.issuperset(names) else Threads


def authority_text() -> str:
    with open(authority_file()) as file:
        return file.read()


def url_of(port: int, host: str = "localhost") -> str:
    return f"rediss://{host}:{port}/0"


class TestTrusted:
    """A command is answered."""

    @pytest.mark.parametrize(
        "trust",
        [
            pytest.param(lambda: {"ssl_ca_certs": authority_file()}, id="file"),
            pytest.param(lambda: {"ssl_ca_data": authority_text()}, id="data"),
            pytest.param(lambda: {"ssl_ca_path": authority_folder()}, id="folder"),
        ],
    )
    def test_authority_is_named_by_file_data_or_folder(self, side: Side, serve: Serve, trust: Any):
        """Each of redis-py's three arguments."""
        side = with_all(side, *trust())

        assert side.ask(url_of(serve()), "ECHO", "mine", **trust(), **PATIENCE) == b"mine"

    def test_url_alone_says_it(self, side: Side, tls_url: str):
        """The query has the path of the file."""
        assert side.ask(tls_url, "ECHO", "mine", **PATIENCE) == b"mine"

    def test_address_is_in_the_certificate(self, side: Side, serve: Serve):
        """It may be for an address as well as for a name."""
        url = f"{url_of(serve(), '127.0.0.1')}?ssl_ca_certs={authority_file()}"

        assert side.ask(url, "ECHO", "mine", **PATIENCE) == b"mine"

    @pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
    def test_certificate_of_ours_is_shown(self, side: Side, serve: Serve, version: Any):
        """To a server that asks for one."""
        ours = paper("client", by="clients")
        port = serve(asks="clients", version=version)
        shown = {"ssl_certfile": ours.certificate, "ssl_keyfile": ours.key}

        trust = {"ssl_ca_certs": authority_file()}
        assert side.ask(url_of(port), "ECHO", "mine", **shown, **trust, **PATIENCE) == b"mine"

    def test_encrypted_key_is_opened(self, side: Side, serve: Serve):
        """By ssl_password."""
        ours = paper("client", by="clients")
        url = f"{url_of(serve(asks='clients'))}?ssl_ca_certs={authority_file()}"
        settings = {
            "ssl_certfile": ours.certificate,
            "ssl_keyfile": encrypted(ours.key, "0pen"),
            "ssl_password": "0pen",
        }
        side = with_all(side, *settings)

        assert side.ask(url, "ECHO", "mine", **settings, **PATIENCE) == b"mine"

    def test_self_signed_certificate_is_its_own_authority(self, side: Side, serve: Serve):
        """As ssl_ca_certs: nothing else has to be let go."""
        own = self_signed("localhost")
        url = f"{url_of(serve(own))}?ssl_ca_certs={own.certificate}"

        assert side.ask(url, "ECHO", "mine", **PATIENCE) == b"mine"

    @pytest.mark.parametrize("how", ["option", "url"])
    def test_certificate_does_not_count_on_demand(self, side: Side, serve: Serve, how: str):
        """ssl_cert_reqs=none takes anybody's, for any name."""
        url = url_of(serve(self_signed("elsewhere")))
        settings: dict[str, Any] = {"ssl_cert_reqs": "none"} if how == "option" else {}

        url += "?ssl_cert_reqs=none" if how == "url" else ""
        assert side.ask(url, "ECHO", "mine", **settings, **PATIENCE) == b"mine"

    def test_certificate_for_another_name_is_taken_on_demand(self, side: Side, serve: Serve):
        """ssl_check_hostname=False; its authority still counts."""
        url = f"{url_of(serve(paper('elsewhere')))}?ssl_check_hostname=false"
        trust = {"ssl_ca_certs": authority_file()}

        assert side.ask(url, "ECHO", "mine", **trust, **PATIENCE) == b"mine"
        assert isinstance(side.refused(url, **PATIENCE).error, PoolTLSError)


# Who is dialled, with which settings, and what the error says to do about it.
REFUSED = {
    "self-signed": (
        lambda: {"shown": self_signed("localhost")},
        {},
        "signed its certificate itself",
    ),
    "wrong authority": (
        lambda: {"shown": paper("localhost", by="others")},
        {},
        "is not known here",
    ),
    "wrong name": (lambda: {"shown": paper("elsewhere")}, {}, "by a name that its certificate"),
    "expired": (lambda: {"shown": paper("localhost", days=(-9, -2))}, {}, "renew the server's"),
    "not yet valid": (lambda: {"shown": paper("localhost", days=(2, 9))}, {}, "not valid yet"),
    "other version": (lambda: {"version": V12}, {"ssl_min_version": V13}, "no version or cipher"),
    "no certificate of ours, 1.2": (
        lambda: {"asks": "clients", "version": V12},
        {},
        "ssl_certfile",
    ),
}


class TestRefused:
    """The error says what to do, and is not the one of a server that is down."""

    @pytest.mark.parametrize("case", REFUSED)
    def test_refused_are_told_what_to_do(self, side: Side, serve: Serve, case: str):
        """With 503, by class; the slot is free again."""
        server, settings, advice = REFUSED[case]
        url = url_of(serve(**server()))
        told = side.refused(url, ssl_ca_certs=authority_file(), **settings, **PATIENCE)

        assert type(told.error) is PoolTLSError
        assert str(told.error).startswith("TLS with Redis does not come about, the dial failed")
        assert advice in str(told.error)
        assert (told.stats.in_use, told.stats.connecting) == (0, 0)

    def test_server_that_wants_a_certificate_of_ours_says_so_last(self, side: Side, serve: Serve):
        """In TLS 1.3 the handshake is over by then: it may as well just have hung up."""
        url = url_of(serve(asks="clients", version=V13))
        told = side.refused(url, ssl_ca_certs=authority_file(), **PATIENCE)

        assert isinstance(told.error, PoolUnavailableError)
        assert "ssl_certfile and ssl_keyfile" in str(told.error)

    def test_certificate_of_ours_that_nobody_knows(self, side: Side, serve: Serve):
        """It is for the server to say, and it says no."""
        ours = paper("client", by="strangers")
        told = side.refused(
            url_of(serve(asks="clients", version=V12)),
            ssl_ca_certs=authority_file(),
            ssl_certfile=ours.certificate,
            ssl_keyfile=ours.key,
            **PATIENCE,
        )

        assert type(told.error) is PoolTLSError
        assert "does not take our certificate" in str(told.error)

    def test_plain_server_is_told_from_one_that_is_down(self, side: Side):
        """It answers TLS with what is no TLS."""
        with RedisThatSays(b"-ERR Protocol error\r\n") as port:
            told = side.refused(url_of(port), **PATIENCE)

        assert type(told.error) is PoolTLSError
        assert "use redis://" in str(told.error)

    def test_tls_server_is_dialled_without(self, side: Side, serve: Serve):
        """It hangs up, and the error asks about rediss://."""
        told = side.refused(f"redis://localhost:{serve()}/0", **PATIENCE)

        assert type(told.error) is PoolUnavailableError
        assert "use rediss://" in str(told.error)

    def test_server_that_is_down_is_not_taken_for_one_without_tls(self, side: Side, closed_port):
        """Nobody listens."""
        told = side.refused(url_of(closed_port), **PATIENCE)

        assert type(told.error) is PoolUnavailableError
        assert "check that the server runs" in str(told.error)

    def test_open_circuit_remembers_why(self, side: Side, serve: Serve, caplog):
        """Who is told without a dial is told the same; and the log, as it opens."""
        url = url_of(serve(paper("localhost", days=(-9, -2))))
        with caplog.at_level(logging.WARNING, "redis_pool_ext"):
            told = side.refused(
                url, FAILURES_TO_OPEN + 1, ssl_ca_certs=authority_file(), **PATIENCE
            )

        assert type(told.error) is PoolTLSError
        assert "renew the server's certificate" in str(told.error)
        assert told.stats.circuit != "closed"
        assert sum("cannot be reached" in line for line in caplog.messages) == 1


class TestFiles:
    """What is wrong with a file is told by the name of its setting, and costs no slot."""

    @pytest.mark.parametrize(
        ("settings", "name", "reason"),
        [
            ({"ssl_ca_certs": "/nowhere/ca.pem"}, "ssl_ca_certs", "No such file"),
            ({"ssl_ca_certs": __file__}, "ssl_ca_certs", "NO_CERTIFICATE_OR_CRL_FOUND"),
            ({"ssl_ca_data": "no certificate"}, "ssl_ca_data", ""),
            ({"ssl_certfile": "/nowhere/us.pem"}, "ssl_certfile", "No such file"),
            ({"ssl_keyfile": "/nowhere/us.key"}, "ssl_keyfile: is given alone", "ssl_certfile"),
            ({"ssl_ciphers": "none such"}, "ssl_ciphers", "cipher"),
        ],
    )
    def test_file_that_cannot_be_used(self, side: Side, settings: Any, name: str, reason: str):
        """It is a mistake in the settings, and told as one; nobody is dialled."""
        told = side.refused("rediss://localhost:1/0", kind=ConfigError, **settings)

        assert name in str(told.error)
        assert reason in str(told.error)
        assert "/nowhere" not in str(told.error)
        assert (told.stats.in_use, told.stats.connecting) == (0, 0)
        assert told.stats.circuit == "closed"

    def test_encrypted_key_without_a_password_asks_nobody(self, side: Side):
        """OpenSSL would ask at the terminal."""
        ours = paper("client", by="clients")
        told = side.refused(
            "rediss://localhost:1/0",
            kind=ConfigError,
            ssl_certfile=ours.certificate,
            ssl_keyfile=encrypted(ours.key, "0pen"),
        )

        assert "there is no ssl_password" in str(told.error)

    def test_key_of_another_certificate(self, side: Side):
        """The two do not go together."""
        settings = {
            "ssl_certfile": paper("client", by="clients").certificate,
            "ssl_keyfile": paper("localhost", "127.0.0.1").key,
        }
        told = side.refused("rediss://localhost:1/0", kind=ConfigError, **settings)

        assert "KEY_VALUES_MISMATCH" in str(told.error)


class TestContext:
    """Certificates are read once for all connections of a pool; and again when they change."""

    @pytest.fixture
    def made(self, monkeypatch) -> list[object]:
        """Note each context that is made."""
        made: list[object] = []
        make = ssl.create_default_context
        monkeypatch.setattr(ssl, "create_default_context", lambda *a, **k: made.append(0) or make())
        return made

    def test_one_context_for_many_dials(self, tls_url: str, made: list[object]):
        """Reading the system's certificates takes longer than the dial."""
        with RedisPool.from_url(tls_url, **PATIENCE) as pool:
            assert pool.warm_up(4, timeout=20) == 4
        assert len(made) == 1

    def test_one_context_for_many_dials_of_tasks(self, tls_url: str, made: list[object]):
        """The loop would stand still for as long."""

        async def dialling() -> None:
            async with AsyncRedisPool.from_url(tls_url, **PATIENCE) as pool:
                assert await pool.warm_up(4, timeout=20) == 4

        asyncio.run(dialling())
        assert len(made) == 1

    def test_file_that_changes_is_read_again(self, serve: Serve, tmp_path):
        """Certificates with a short life are renewed while the program runs."""
        trusted = tmp_path / "ca.pem"
        shutil.copy(authority_file("others"), trusted)
        url = url_of(serve())
        with RedisPool.from_url(url, ssl_ca_certs=str(trusted), **PATIENCE) as pool:
            with pytest.raises(PoolTLSError):
                pool.client.ping()
            shutil.copy(authority_file(), tmp_path / "new.pem")
            os.replace(tmp_path / "new.pem", trusted)

            assert pool.client.ping()


class TestTraffic:
    """What goes over TLS is what goes without."""

    def test_ordinary_commands_take_the_short_way(self, tls_url: str):
        """A record is up to 16 KB: a longer reply comes in several."""
        with RedisPool.from_url(tls_url, max_connections=1, **PATIENCE) as pool:
            with pool.lease() as client:
                client.ping()
                assert client.connection_pool.held[0].lane is not None
                for size in (0, 1, 16383, 16384, 16385, 65536, 1_000_000):
                    value = os.urandom(size)
                    client.set("k", value)
                    assert client.get("k") == value
                assert client.mget(["k"] * 3) == [value] * 3
                assert client.pipeline().set("a", 1).get("a").execute() == [True, b"1"]
                with pytest.raises(redis.ResponseError):
                    client.incr("k")
                assert client.get("a") == b"1"
            assert (pool.stats().idle, pool.stats().discarded) == (1, {})

    def test_ordinary_commands_of_tasks_take_the_short_way(self, tls_url: str):
        """The same, in a loop."""

        async def talking() -> None:
            async with AsyncRedisPool.from_url(tls_url, max_connections=1, **PATIENCE) as pool:
                async with pool.lease() as client:
                    await client.ping()
                    assert client.connection_pool.held[0].lane is not None
                    for size in (0, 1, 16383, 16384, 16385, 65536, 1_000_000):
                        value = os.urandom(size)
                        await client.set("k", value)
                        assert await client.get("k") == value
                    assert await client.mget(["k"] * 3) == [value] * 3
                    pipeline = client.pipeline().set("a", 1).get("a")
                    assert await pipeline.execute() == [True, b"1"]
                assert (pool.stats().idle, pool.stats().discarded) == (1, {})

        asyncio.run(talking())

    def test_many_threads_read_their_own(self, tls_url: str):
        """More of them than connections."""
        together = threading.Barrier(12)

        def work(number: int) -> None:
            together.wait(20)
            for turn in range(40):
                word = f"{number} {turn}".encode()
                with pool.lease() as client:
                    assert client.echo(word) == word

        with RedisPool.from_url(tls_url, max_connections=3, timeout=30) as pool:
            for worker in [spawn(work, number) for number in range(12)]:
                worker.result(40)
            assert pool.stats().discarded == {}
            assert pool.stats().created <= 3

    def test_many_tasks_read_their_own(self, tls_url: str):
        """More of them than connections."""

        async def work(pool: AsyncRedisPool, number: int) -> None:
            for turn in range(40):
                word = f"{number} {turn}".encode()
                async with pool.lease() as client:
                    assert await client.echo(word) == word

        async def working() -> None:
            async with AsyncRedisPool.from_url(tls_url, max_connections=3, timeout=30) as pool:
                await asyncio.gather(*(work(pool, number) for number in range(12)))
                assert pool.stats().discarded == {}
                assert pool.stats().created <= 3

        asyncio.run(working())

    def test_subscription_and_blocking_command_wait_under_tls(self, tls_url: str):
        """redis-py asks whether there is something to read, in the socket or in TLS."""
        with RedisPool.from_url(tls_url, **PATIENCE) as pool, pool.lease() as client:
            listening = client.pubsub(ignore_subscribe_messages=True)
            listening.subscribe("news")
            assert listening.get_message(timeout=5) is None  # that it has subscribed
            for number in range(50):
                client.publish("news", number)
            assert [listening.get_message(timeout=5)["data"] for _ in range(50)] == [
                str(number).encode() for number in range(50)
            ]
            assert listening.get_message(timeout=0.01) is None
            assert client.blpop("nothing", timeout=0.1) is None

    def test_late_reply_ends_with_the_connection(self, tls_url: str):
        """socket_timeout holds under TLS, and what comes late is nobody's."""
        with RedisPool.from_url(tls_url, max_connections=1, socket_timeout=0.2, **PATIENCE) as pool:
            with pytest.raises(redis.TimeoutError):
                pool.client.execute_command("EVAL", SLOW, 0)
            assert pool.stats().discarded == {"error": 1}

    def test_lease_that_another_thread_ends_sends_nothing_in_plain_text(self, tls_url: str):
        """Its socket is shut down, and TLS stays on it."""
        with RedisPool.from_url(tls_url, max_connections=1, **PATIENCE) as pool:
            connection = pool.get_connection()
            connection.send_command("ECHO", "x" * 20_000)
            pool.forfeit(connection)

            assert connection._sock._sslobj is not None
            with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
                for _ in range(3):
                    connection.read_response()
            connection.disconnect()


SLOW = "local t = redis.call('TIME') local e = t[1] * 1e6 + t[2] + 5e5 " + (
    "while true do local n = redis.call('TIME') if n[1] * 1e6 + n[2] > e then return 1 end end"
)


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield taken.getsockname()[1]


class RedisThatSays:
    """A port where everybody is told the same, whatever they say."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        return self._listener.getsockname()[1]  # type: ignore[no-any-return]

    def __exit__(self, *_exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                if sock.recv(65536):
                    sock.sendall(self._words)
