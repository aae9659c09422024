"""The short way is not taken: all of redis-py's own steps are done, each once."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
import redis
from redis.client import EMPTY_RESPONSE, NEVER_DECODE

from redis_pool_ext import LeaseError, lease
from redis_pool_ext.errors import ConnectionPoolTimeoutError
from redis_pool_ext.wire import express
from redis_pool_ext.wire.express import MISSED, is_redis_pys_own
from redis_pool_ext.wire.packing import pack_ordinary

from ..support.pairs import PairedConnection, Scene
from ..support.protocols import PROTOCOLS
from ..support.threads import spawn
from .ways import LONG_WAY, SHORT_WAY, borrow, overriding, wrapped


class Collector:
    """Stands for redis-py's collector of metrics, which needs OpenTelemetry."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("record_"):
            return lambda *_args, **_kwargs: None
        raise AttributeError(name)


@pytest.mark.usefixtures("_no_pause")
class TestNotTaken:
    """All of redis-py's own steps are done, each once."""

    @pytest.fixture
    def client(self, url) -> redis.Redis:
        return borrow(url)[1]

    def test_sticky_command(self, client, steps):
        """What it leaves on the connection is to be noted."""
        steps.clear()
        client.select(1)

        assert steps == LONG_WAY
        assert client.connection_pool.held[0].marks == {"SELECT"}

    def test_blocking_command(self, client, steps):
        """It has a timeout of its own."""
        client.rpush("l", "v")
        steps.clear()

        assert list(client.blpop(["l"], 1)) == [b"l", b"v"]
        assert steps == LONG_WAY

    def test_command_inside_a_transaction(self, client, steps):
        """Its reply is not its result, and what ends the transaction is to be noted."""
        client.execute_command("MULTI")
        steps.clear()

        assert client.execute_command("ECHO", "x") == b"QUEUED"
        assert steps == LONG_WAY

    def test_command_between_watch_and_exec(self, client, steps):
        """The state on the connection must not be lost by a silent reconnect."""
        with client.pipeline() as pipeline:
            pipeline.watch("k")
            steps.clear()
            client.get("k")

            assert steps == LONG_WAY

    def test_command_while_the_thread_itself_has_the_connection_out(self, client, steps):
        """A pipeline without a WATCH: whoever has the connection out may be in mid-exchange."""
        client.connection_pool.get_connection()
        steps.clear()
        client.get("k")

        assert steps == LONG_WAY

    def test_command_after_an_unread_reply(self, client, steps):
        """The late answer is not the next command's: its connection is closed."""
        lease = client.connection_pool
        connection = lease.get_connection()
        connection.send_command("ECHO", "late")
        lease.release(connection)
        socket = connection._sock
        steps.clear()

        assert client.echo("mine") == b"mine"
        assert steps["send_command"] >= 1  # and what the dial's handshake has sent
        assert connection._sock is not socket

    def test_command_while_another_thread_has_its_turn(self, url, steps):
        """It waits for that thread, and sends nothing into its exchange."""
        _, client = borrow(url, timeout=0.05)
        lease = client.connection_pool
        taken, let_go = threading.Event(), threading.Event()

        def keep() -> None:
            connection = lease.get_connection()
            taken.set()
            let_go.wait(10)
            lease.release(connection)

        keeper = spawn(keep)
        assert taken.wait(10)
        steps.clear()
        try:
            assert lease.exchange("PING", pack_ordinary(("PING",))) is MISSED
            with pytest.raises(ConnectionPoolTimeoutError, match="another thread used this lease"):
                client.ping()
        finally:
            let_go.set()
            keeper.result()
        assert steps == {}
        assert client.ping()

    def test_pool_that_holds_for_a_command(self, url, steps):
        """Each command borrows for itself, and gives back."""
        pool, client = borrow(url, hold="command")
        steps.clear()

        assert client.ping()
        assert steps == LONG_WAY
        assert pool.stats().in_use == 0

    def test_health_check(self, url, steps):
        """It is redis-py's to know when one is due."""
        _, client = borrow(url, health_check_interval=30)
        steps.clear()

        assert client.ping()
        assert steps == LONG_WAY

    @pytest.mark.parametrize(
        "name",
        [
            *("send_command", "send_packed_command", "pack_command"),
            *("read_response", "check_health"),
        ],
    )
    def test_connection_class_with_its_own_steps(self, url, name, steps):
        """It wants to see what is sent, or read."""
        _, client = borrow(url, connection_class=overriding(name))
        steps.clear()

        assert client.ping()
        assert steps == LONG_WAY

    @PROTOCOLS
    def test_parser_in_python(self, url, steps, protocol):
        """The short way is one into hiredis."""
        parsers = {2: redis.connection._RESP2Parser, 3: redis.connection._RESP3Parser}
        _, client = borrow(url, protocol=protocol, parser_class=parsers[protocol])
        steps.clear()

        assert client.ping()
        assert steps == LONG_WAY

    def test_packer_of_a_programs_own(self, url, steps):
        """It wants to see what is packed."""

        class Packer:
            pack = redis.connection.HiredisRespSerializer.pack

        _, client = borrow(url, command_packer=Packer())
        steps.clear()

        assert client.ping()
        assert steps == LONG_WAY

    def test_program_without_hiredis(self, url):
        """It is an option of redis-py's; everything works without."""
        program = f"""
import sys
sys.modules["hiredis"] = None
import redis
from redis_pool_ext import RedisPool
with RedisPool.from_url({url!r}, housekeeping_interval=None) as pool, pool.lease() as client:
    assert client.set("k", 1) and client.get("k") == b"1"
    assert client.connection_pool.held[0].lane is None
"""
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
        )

        assert (ended.returncode, ended.stderr) == (0, "")

    def test_metrics_that_are_recorded(self, client, steps, monkeypatch):
        """Also when they were switched on while the lease was in use."""
        recorder = pytest.importorskip("redis.observability.recorder")
        monkeypatch.setattr(recorder, "_metrics_collector", Collector())
        steps.clear()
        client.ping()

        assert steps == LONG_WAY

    def test_metrics_of_which_nothing_was_recorded_yet(self, url, steps, monkeypatch):
        """redis-py makes its collector at the first command that it records."""
        pytest.importorskip("redis.observability.recorder")

        class On:
            def is_enabled(self) -> bool:
                return True

        monkeypatch.setattr(express, "get_observability_instance", On)
        _, client = borrow(url)
        steps.clear()
        client.ping()

        assert steps == LONG_WAY

    def test_parse_response_that_is_wrapped(self, client, steps, monkeypatch):
        """As a tracing tool wraps it, for all clients."""
        monkeypatch.setattr(redis.Redis, "parse_response", wrapped(redis.Redis.parse_response))
        steps.clear()
        client.ping()

        assert steps == LONG_WAY

    def test_parse_response_of_one_client(self, client, steps):
        """The other clients of the lease are not concerned."""
        other = client.client()
        client.parse_response = lambda *_args, **_kwargs: "mine"
        steps.clear()
        assert client.ping() == "mine"
        assert steps["send_command"] == 1
        client.connection_pool.held[0].disconnect()  # nobody has read that reply
        other.ping()
        steps.clear()
        other.ping()

        assert steps == SHORT_WAY

    def test_option_not_to_decode(self, url, steps):
        """The reply is bytes, and the next one is text again."""
        _, client = borrow(url, decode_responses=True)
        client.set("k", "v")
        steps.clear()

        assert client.execute_command("GET", "k", **{NEVER_DECODE: True}) == b"v"
        assert steps == LONG_WAY
        assert client.get("k") == "v"

    def test_option_for_an_empty_response(self, client, steps):
        """It stands in for an error."""
        client.set("k", "v")
        steps.clear()

        assert client.execute_command("LLEN", "k", **{EMPTY_RESPONSE: []}) == []
        assert steps == LONG_WAY

    def test_option_about_health_checks(self, client, steps):
        """It is for the connection, and not for a callback."""
        client.set("k", "v")
        steps.clear()

        assert client.execute_command("GET", "k", check_health=False) == b"v"
        assert steps == LONG_WAY

    @pytest.mark.parametrize(
        "write",
        [
            lambda client: client.set("k", "v"),
            lambda client: client.pipeline(transaction=False).set("k", "v").execute(),
        ],
        ids=["command", "pipeline"],
    )
    def test_command_after_a_refused_write(self, monkeypatch, steps, write):
        """The server is a replica by now: the next command goes to a new connection."""
        with Scene(monkeypatch) as scene:
            scene.say(b"-READONLY You can't write against a read only replica.\r\n")
            with pytest.raises(redis.exceptions.ReadOnlyError):
                write(scene.client)
            assert scene.connection.lane is None
            scene.when_dialled(b"$1\r\nv\r\n")
            steps.clear()

            assert scene.client.get("k") == b"v"
            assert len(scene.peers) == 2
            assert steps["send_command"] == 1

    def test_lease_that_has_ended(self, client, steps):
        """Nothing is sent on a connection that is somebody else's by now."""
        client.connection_pool.end()
        steps.clear()

        with pytest.raises(LeaseError, match="has ended"):
            client.ping()
        assert steps == {}


class TestPause:
    """A connection that was not used for a while is looked at first."""

    @pytest.fixture
    def client(self, url, clock) -> redis.Redis:
        client = borrow(url)[1]
        client.ping()
        clock.stop()
        client.ping()
        return client

    def test_short_pause_changes_nothing(self, client, clock, steps):
        """A view that computes between two commands."""
        clock.advance(lease.LOOK_IN_LEASE_AFTER * 0.9)
        client.ping()

        assert steps == SHORT_WAY

    def test_after_a_long_pause_the_long_way_looks(self, client, clock, steps):
        """Once; the next command is quick again."""
        clock.advance(lease.LOOK_IN_LEASE_AFTER * 1.1)
        client.ping()
        assert steps == LONG_WAY
        steps.clear()
        client.ping()

        assert steps == SHORT_WAY


def test_class_is_redis_pys_own_where_it_overrides_nothing():
    """Also over TLS, a Unix socket, or another way to connect."""
    for kind in (redis.SSLConnection, redis.UnixDomainSocketConnection, PairedConnection):
        assert is_redis_pys_own(kind)
    assert not is_redis_pys_own(overriding("read_response"))
    assert not is_redis_pys_own(object)
