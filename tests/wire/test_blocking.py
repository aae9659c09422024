"""Commands that the server answers late on purpose: as late as they ask for, and no later."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.wire.blocking import patience
from redis_pool_ext.wire.sticky import name_of

from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until

SOCKET_TIMEOUT = 0.3  # seconds: also a busy machine answers a PING within it
LONGER = 0.4


def seconds(*args) -> float:
    return patience(name_of(args), args)


class TestTable:
    """How long a command may block."""

    @pytest.mark.parametrize(
        ("args", "expected"),
        [
            (("BLPOP", "a", "b", 5), 5),
            (("BRPOP", "a", 2.5), 2.5),
            (("BRPOPLPUSH", "a", "b", 3), 3),
            (("BLMOVE", "a", "b", "LEFT", "RIGHT", 4), 4),
            (("BLMPOP", 6, 2, "a", "b", "LEFT", "COUNT", 10), 6),
            (("BZMPOP", 7, 1, "a", "MIN"), 7),
            (("BZPOPMAX", "a", 8), 8),
            (("BZPOPMIN", "a", 9), 9),
            (("WAIT", 1, 1500), 1.5),
            (("WAITAOF", 1, 0, 2500), 2.5),
            (("XREAD", "BLOCK", 1500, "STREAMS", "s", "$"), 1.5),
            (("XREAD", "COUNT", 2, "BLOCK", 1500, "STREAMS", "s", "$"), 1.5),
            (("XREADGROUP", "GROUP", "g", "c", "BLOCK", 2000, "STREAMS", "s", ">"), 2),
        ],
    )
    def test_commands_block_for_as_long_as_they_say(self, args, expected):
        """Seconds or milliseconds, wherever each has them."""
        assert seconds(*args) == expected

    @pytest.mark.parametrize(
        "args",
        [
            ("BLPOP", "k", "5"),
            ("blpop", b"k", b"5"),
            (b"BLPOP", "k", bytearray(b"5.0")),
            ("BlPop k 5",),
            ("BLPOP k", 5),
            (b"blpop k 5",),
            ("xread", "block", "5000", "streams", "s", "$"),
            (b"XREAD", b"Block", memoryview(b"5000"), b"STREAMS", b"s", b"$"),
            ("XREAD BLOCK 5000 STREAMS s $",),
            ("XREAD BLOCK", 5000, "STREAMS", "s", "$"),
        ],
    )
    def test_spelling_does_not_matter(self, args):
        """Text or bytes, upper or lower case, one argument or several."""
        assert seconds(*args) == 5

    @pytest.mark.parametrize(
        "args",
        [
            ("BLPOP", "k", 0),
            ("BLPOP", "k", "0.0"),
            ("BLMPOP", 0, 1, "k", "LEFT"),
            ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"),
            ("WAIT", 1, 0),
        ],
    )
    def test_zero_is_for_ever(self, args):
        """As the server has it."""
        assert seconds(*args) == math.inf

    @pytest.mark.parametrize(
        "args",
        [
            ("BLPOP",),
            ("BLPOP", "k", "soon"),
            ("BLPOP", "k", "9" * 400),
            ("BLMPOP",),
            ("WAIT", "one", "two"),
            ("XREAD", "BLOCK"),
            ("XREAD", "BLOCK", "STREAMS", "s", "$"),
        ],
    )
    def test_what_is_no_number_is_the_servers_to_refuse(self, args):
        """It does that at once."""
        assert seconds(*args) in (0.0, math.inf)

    @pytest.mark.parametrize(
        "args",
        [
            ("XREAD", "STREAMS", "s", "$"),
            ("XREAD", "COUNT", 2, "STREAMS", "s", "$"),
            ("XREAD", "STREAMS", "block", 0),
            ("XREAD", "STREAMS", "s", "BLOCK", "0", "0"),
            ("XREADGROUP", "GROUP", "block", 0, "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", "g", "block", "COUNT", 1, "STREAMS", "s", ">"),
        ],
    )
    def test_block_as_a_name_blocks_nothing(self, args):
        """A stream, a group and a consumer may be called so."""
        assert seconds(*args) == 0.0

    @pytest.mark.parametrize(
        "args",
        [
            ("XREADGROUP", "GROUP", "block", "block", "BLOCK", 5000, "STREAMS", "s", ">"),
            ("XREADGROUP", "NOACK", "BLOCK", 5000, "GROUP", "g", "c", "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "BLOCK", 5000, "STREAMS", "block", ">"),
        ],
    )
    def test_block_is_found_beside_such_names(self, args):
        """Options may come in any order."""
        assert seconds(*args) == 5


@contextmanager
def leased(url: str, **arguments: Any) -> Iterator[redis.Redis]:
    with (  # waits no longer than that for a reply, if it is not asked to
        RedisPool.from_url(url, socket_timeout=SOCKET_TIMEOUT, **arguments) as pool,
        pool.lease() as client,
    ):
        client.ping()
        yield client


@pytest.fixture
def client(url) -> Iterator[redis.Redis]:
    """A client as most programs have it."""
    with leased(url) as client:
        yield client


@pytest.fixture(
    params=[(protocol, parser) for protocol in (2, 3) for parser in ("hiredis", "python")],
    ids=lambda param: f"resp{param[0]}-{param[1]}",
)
def any_client(request, url) -> Iterator[redis.Redis]:
    """redis-py's parsers keep the socket, and its timeout, in different places."""
    protocol, parser = request.param
    chosen = {"parser_class": redis.connection._RESP2Parser} if parser == "python" else {}
    with leased(url, protocol=protocol, **chosen) as client:
        yield client


def timeout_of(client: redis.Redis) -> float | None:
    return client.connection_pool.held[0]._sock.gettimeout()


def blocked_clients(admin: redis.Redis) -> int:
    return admin.info("clients")["blocked_clients"]


class TestRealServer:
    """`socket_timeout` and the command's own timeout add up."""

    def test_empty_queue_answers_at_the_commands_own_timeout(self, any_client):
        """Later than `socket_timeout`, and it is no error; the next command is as before."""
        assert any_client.blpop(["queue"], timeout=LONGER) is None
        assert timeout_of(any_client) == SOCKET_TIMEOUT
        assert any_client.ping()

    def test_zero_waits_for_as_long_as_it_takes(self, any_client, admin):
        """Beyond any `socket_timeout`; an answer ends it."""
        waiting = spawn(any_client.blpop, ["queue"], 0)
        wait_until(lambda: blocked_clients(admin) == 1)
        waiting.join(LONGER)
        assert waiting.is_alive()
        admin.rpush("queue", "job")

        assert waiting.result() in ((b"queue", b"job"), [b"queue", b"job"])
        assert timeout_of(any_client) == SOCKET_TIMEOUT

    def test_streams_block_as_well(self, client):
        """XREAD BLOCK, in milliseconds."""
        block = int(1000 * LONGER)

        assert not client.xread({"s": "$"}, block=block)
        assert client.xadd("s", {"a": 1})

    def test_wait_for_replicas_blocks_as_well(self, client):
        """There is none: the server counts 0 when its time is over."""
        assert client.wait(1, int(1000 * LONGER)) == 0
        assert timeout_of(client) == SOCKET_TIMEOUT

    def test_pipeline_may_block_for_all_its_commands_together(self, client):
        """They are answered one after the other."""
        pipe = client.pipeline(transaction=False)
        for _ in range(2):
            pipe.blpop(["queue"], timeout=LONGER)
        pipe.ping()

        assert pipe.execute() == [None, None, True]
        assert timeout_of(client) == SOCKET_TIMEOUT

    def test_refused_blocking_command_leaves_nothing_behind(self, client):
        """The answer is an error; the next command waits as before."""
        client.set("queue", "no list")
        with pytest.raises(redis.ResponseError):
            client.blpop(["queue"], timeout=0)

        assert timeout_of(client) == SOCKET_TIMEOUT

    def test_client_without_a_lease_blocks_as_well(self, url):
        """The connection is the same."""
        with RedisPool.from_url(url, socket_timeout=SOCKET_TIMEOUT) as pool:
            assert pool.client.brpop(["queue"], timeout=LONGER) is None

            assert pool.stats().idle == 1

    def test_no_socket_timeout_stays_none(self, url):
        """Whoever waits for ever anyhow is not cut to what a command asks for."""
        with RedisPool.from_url(url, socket_timeout=None) as pool, pool.lease() as client:
            assert client.blpop(["queue"], timeout=0.01) is None

            assert timeout_of(client) is None


class TestSilentServer:
    """A network that has failed is still noticed."""

    @pytest.fixture
    def proxy(self, redis_server, admin) -> Iterator[FaultyProxy]:
        """The shared server behind a proxy that can fall silent."""
        with FaultyProxy(redis_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def client(self, proxy) -> Iterator[redis.Redis]:
        """A leased client behind the proxy."""
        with leased(proxy.url) as client:
            yield client

    def test_no_answer_after_both_timeouts_is_an_error(self, client, proxy):
        """Neither before the command's own, nor much later."""
        proxy.swallow()
        began = time.monotonic()
        waiting = spawn(client.blpop, ["queue"], LONGER)
        with pytest.raises(redis.TimeoutError):
            waiting.result()

        assert time.monotonic() - began >= LONGER + SOCKET_TIMEOUT

    def test_command_after_a_blocking_one_has_its_usual_patience(self, client, proxy):
        """What was added is gone."""
        assert client.blpop(["queue"], timeout=0.01) is None
        proxy.swallow()
        with pytest.raises(redis.TimeoutError):
            spawn(client.ping).result()

    def test_connection_dialled_after_it_has_its_usual_patience(self, client, proxy, admin):
        """A blocking command that was cut leaves nothing to the next socket."""
        waiting = spawn(client.blpop, ["queue"], 0)
        wait_until(lambda: blocked_clients(admin) == 1)
        proxy.cut()
        with pytest.raises(redis.ConnectionError):
            waiting.result()
        assert client.connection_pool.held[0]._patience == 0.0
        assert client.ping()

        assert timeout_of(client) == SOCKET_TIMEOUT

    def test_blocking_commands_in_a_transaction_lengthen_nothing(self, client, proxy):
        """Between MULTI and EXEC they do not block."""
        pipe = client.pipeline(transaction=True).blpop(["queue"], timeout=0)
        proxy.swallow()
        with pytest.raises(redis.TimeoutError):
            spawn(pipe.execute).result()

    def test_transaction_with_them_is_answered(self, client):
        """At once."""
        assert client.pipeline(transaction=True).blpop(["queue"], timeout=0).execute() == [None]
        assert timeout_of(client) == SOCKET_TIMEOUT
