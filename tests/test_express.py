"""The short way: which commands take it, which do not, and what it hands over."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.connection import AbstractConnection
from redis.exceptions import BusyLoadingError, InvalidResponse
from redis.retry import Retry

from redis_pool_ext import LeaseError, RedisPool, express, lease
from redis_pool_ext.errors import ConnectionPoolTimeoutError
from redis_pool_ext.express import MISSED, is_redis_pys_own
from redis_pool_ext.packing import pack_ordinary

from .equivalence.stub import StubServer
from .support.forks import FORK_WARNS, fork_without_hooks, in_child
from .support.pairs import PairedConnection, Scene
from .support.strikes import strike_everywhere
from .support.threads import spawn

# What redis-py does for each command: its own way counts one of each.
_STEPS = (
    (AbstractConnection, "send_command"),
    (AbstractConnection, "read_response"),
    (Retry, "call_with_retry"),
)
LONG_WAY = dict.fromkeys((name for _, name in _STEPS), 1)
SHORT_WAY: dict[str, int] = {}


@pytest.fixture
def steps(monkeypatch) -> Counter[str]:
    """How often each of redis-py's own steps was done."""
    counted: Counter[str] = Counter()

    def counting(kind: type[Any], name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(*args, **kwargs)

        return step

    for kind, name in _STEPS:
        monkeypatch.setattr(kind, name, counting(kind, name))
    return counted


@pytest.fixture
def _no_pause(monkeypatch):
    """Let no pause be a long one, however busy the machine is."""
    monkeypatch.setattr(lease, "LOOK_IN_LEASE_AFTER", math.inf)


def borrow(url: str, **kwargs: Any) -> tuple[RedisPool, redis.Redis]:
    """Return a pool and a leased client of it that has its connection."""
    pool = RedisPool.from_url(url, housekeeping_interval=None, **kwargs)
    client = pool.lease().client()
    client.ping()
    return pool, client


PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])


@pytest.mark.usefixtures("_no_pause")
class TestTaken:
    """None of redis-py's own steps is done."""

    @PROTOCOLS
    @pytest.mark.parametrize("decode_responses", [False, True])
    def test_ordinary_commands_take_it(self, url, steps, protocol, decode_responses):
        """With text, bytes and numbers, callbacks and options, in both protocols."""
        _, client = borrow(url, protocol=protocol, decode_responses=decode_responses)
        value = "v" if decode_responses else b"v"
        steps.clear()

        assert client.set("k", b"v", ex=100) is True
        assert client.get("k") == value
        assert client.get("none") is None
        assert client.incrbyfloat("f", 1.5) == 1.5
        assert client.hset("h", mapping={"v": 1}) == 1
        assert client.hgetall("h") == {value: "1" if decode_responses else b"1"}
        assert client.rpush("l", "v", "v") == 2
        assert client.lrange("l", 0, -1) == [value, value]
        assert client.sadd("s", "v") == 1
        assert client.smembers("s") == {value}
        assert client.mget(["k", "none"]) == [value, None]
        assert client.execute_command("OBJECT ENCODING", "l")
        assert client.client_id() > 0
        assert client.config_get("timeout") == {"timeout": "0"}
        assert steps == SHORT_WAY

    @PROTOCOLS
    def test_first_command_of_a_lease_takes_it(self, url, steps, protocol):
        """The connection is taken first, without a command of the long way."""
        pool, client = borrow(url, protocol=protocol)
        client.release()
        steps.clear()

        with pool.lease() as first:
            assert first.set("k", "v") is True
        assert steps == SHORT_WAY

    def test_command_after_an_early_return_takes_it(self, url, steps):
        """The lease takes a connection again."""
        _, client = borrow(url)
        client.connection_pool.give_back()
        steps.clear()

        assert client.set("k", "v") is True
        assert steps == SHORT_WAY

    def test_command_after_one_that_could_not_take_it_does(self, url, steps):
        """A pipeline, a blocking one, a transaction, an unusual name: nothing is left."""
        _, client = borrow(url)
        for unusual in (
            lambda: client.pipeline().get("k").execute(),
            lambda: client.rpush("l", "v") and client.blpop(["l"], 1),
            lambda: client.transaction(lambda pipeline: pipeline.multi(), "k"),
            lambda: client.execute_command("get", "k"),
        ):
            unusual()
            steps.clear()
            client.get("k")
            assert steps == SHORT_WAY

    def test_command_on_a_connection_that_was_dialled_again_takes_it(self, url, steps):
        """Each dial opens the short way anew."""
        _, client = borrow(url)
        client.connection_pool.held[0].disconnect()
        assert client.ping()
        steps.clear()

        assert client.ping()
        assert steps == SHORT_WAY

    def test_command_inside_a_subclass_that_changes_nothing_takes_it(self, url, steps):
        """What counts is whether its own steps are those of redis-py."""

        class Named(redis.Connection):
            def repr_pieces(self):
                return [("name", "mine")]

        _, client = borrow(url, connection_class=Named)
        steps.clear()

        assert client.ping()
        assert steps == SHORT_WAY

    def test_callback_of_a_programs_own_is_called(self, url, steps):
        """With the options of the call, and not those for the cache."""
        _, client = borrow(url)
        client.set("k", "v")
        seen = []
        client.set_response_callback("GET", lambda reply, **options: seen.append((reply, options)))
        steps.clear()

        client.execute_command("GET", "k", keys=["k"], mine=1)
        assert seen == [(b"v", {"mine": 1})]
        assert steps == SHORT_WAY


def overriding(name: str) -> type[redis.Connection]:
    """Return a connection class that has its own `name`, which does the same."""
    return type("Own", (redis.Connection,), {name: wrapped(getattr(redis.Connection, name))})


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


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

    @FORK_WARNS
    @pytest.mark.parametrize("fork", [os.fork, fork_without_hooks], ids=["with hooks", "without"])
    def test_child_of_a_fork(self, monkeypatch, fork):
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


PUSH = b">2\r\n$4\r\nnews\r\n$4\r\ntext\r\n"
PUSHED = [b"news", b"text"]


@pytest.mark.usefixtures("_no_pause")
class TestPutBack:
    """What is not an ordinary reply is met again by redis-py, at the place where it was."""

    @pytest.fixture
    def scene(self, monkeypatch) -> Iterator[Scene]:
        with Scene(monkeypatch, protocol=3, socket_timeout=10) as scene:
            yield scene

    @pytest.fixture
    def pushes(self, scene) -> list[Any]:
        """The push messages that redis-py's handler was given."""
        pushes: list[Any] = []
        scene.connection._parser.set_pubsub_push_handler(pushes.append)
        return pushes

    def assert_goes_on(self, scene: Scene) -> None:
        """Nothing is owed, the connection is the same, and the next command takes the short way."""
        assert (scene.connection.pending, len(scene.peers)) == (0, 1)
        assert type(scene.connection._parser._reader).__name__ == "Reader"
        scene.say(b"$4\r\nnext\r\n")
        assert scene.client.get("k") == b"next"
        assert scene.connection.pending == 0

    def assert_begins_anew(self, scene: Scene) -> None:
        """The connection was closed, and the next command has a new one."""
        assert not scene.connection.is_connected
        assert (scene.connection.pending, scene.connection.dirt()) == (0, "error")
        assert scene.connection.reply_lost
        scene.when_dialled(b"$4\r\nnext\r\n")
        assert scene.client.get("k") == b"next"
        assert len(scene.peers) == 2

    def test_ordinary_replies_are_not_put_back(self, scene, steps):
        """Of every type that a server has."""
        for reply, value in {
            b"+OK\r\n": b"OK",
            b":7\r\n": 7,
            b"$-1\r\n": None,
            b"_\r\n": None,
            b"#t\r\n": True,
            b",1.5\r\n": 1.5,
            b"*0\r\n": [],
            b"*2\r\n:1\r\n*1\r\n:2\r\n": [1, [2]],
            b"%1\r\n+a\r\n:1\r\n": {b"a": 1},
            b"~1\r\n+a\r\n": [b"a"],
            b"(12345678901234567890\r\n": b"12345678901234567890",
        }.items():
            scene.say(reply)
            got = scene.client.execute_command("X")
            assert (got, type(got)) == (value, type(value))
        assert steps == SHORT_WAY

    def test_push_message_in_one_segment_with_the_reply(self, scene, pushes):
        """Its handler has it, and the command its reply."""
        scene.say(PUSH + b"$1\r\nv\r\n")

        assert scene.client.get("k") == b"v"
        assert pushes == [PUSHED]
        self.assert_goes_on(scene)

    def test_several_push_messages_before_the_reply(self, scene, pushes):
        """All of them, in their order."""
        scene.say(PUSH + PUSH.replace(b"text", b"more") + b"$1\r\nv\r\n")

        assert scene.client.get("k") == b"v"
        assert pushes == [PUSHED, [b"news", b"more"]]
        self.assert_goes_on(scene)

    def test_push_message_that_comes_alone(self, scene, pushes):
        """The reply is in a segment that comes later."""
        scene.say(PUSH)
        scene.when_put_back(lambda: scene.say(b"$1\r\nv\r\n"))

        assert scene.client.get("k") == b"v"
        assert pushes == [PUSHED]
        self.assert_goes_on(scene)

    def test_push_message_behind_the_reply_is_the_next_commands_to_meet(self, scene, pushes):
        """It stays in the parser, and is nobody's reply."""
        scene.say(b"$1\r\nv\r\n" + PUSH)
        assert scene.client.get("k") == b"v"
        assert pushes == []

        self.assert_goes_on(scene)
        assert pushes == [PUSHED]

    def test_push_message_before_an_error(self, scene, pushes):
        """Both are met."""
        scene.say(PUSH + b"-ERR no\r\n")

        with pytest.raises(redis.ResponseError, match="no"):
            scene.client.get("k")
        assert pushes == [PUSHED]
        self.assert_goes_on(scene)

    def test_push_handler_that_raises_closes_the_connection(self, scene):
        """The reply behind the message was not read."""

        def fail(_message):
            raise RuntimeError("handler")

        scene.connection._parser.set_pubsub_push_handler(fail)
        scene.say(PUSH + b"$1\r\nv\r\n")

        with pytest.raises(RuntimeError, match="handler"):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    def test_push_message_that_asks_to_reconnect(self, scene):
        """The command has its reply; the next one does not take the short way."""
        connection = scene.connection

        def leave(_message):
            connection._should_reconnect = True

        connection._parser.set_pubsub_push_handler(leave)
        scene.say(PUSH + b"$1\r\nv\r\n")

        assert scene.client.get("k") == b"v"
        assert connection.lane is None
        connection._should_reconnect = False  # older versions of redis-py know nothing of it

    def test_error_reply(self, scene):
        """It is an answer: the connection is as good as before."""
        scene.say(b"-WRONGTYPE no\r\n")

        with pytest.raises(redis.ResponseError, match="no"):
            scene.client.get("k")
        self.assert_goes_on(scene)

    def test_error_is_raised_once_and_by_one_attempt(self, monkeypatch, steps):
        """What the short way met counts as the first attempt, and is not sent again."""
        with Scene(monkeypatch, retry=Retry(NoBackoff(), 3)) as scene:
            steps.clear()
            scene.say(b"-ERR no\r\n")
            with pytest.raises(redis.ResponseError):
                scene.client.incr("k")

            assert scene.heard().count(b"INCR") == 1
            assert steps == {"read_response": 1, "call_with_retry": 1}

    def test_error_in_a_list(self, scene):
        """It is an item, as in redis-py, wherever it stands."""
        for reply in (b"*2\r\n-ERR no\r\n:1\r\n", b"*2\r\n:1\r\n-ERR no\r\n"):
            scene.say(reply)
            items = scene.client.execute_command("X")
            assert sorted(type(item).__name__ for item in items) == ["ResponseError", "int"]
        self.assert_goes_on(scene)

    @pytest.mark.parametrize("reply", [b"-LOADING data\r\n", b"*1\r\n-LOADING data\r\n"])
    def test_error_of_the_connection_closes_it(self, scene, reply):
        """Also as the first item of a list."""
        scene.say(reply)

        with pytest.raises(BusyLoadingError):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    @pytest.mark.parametrize("cut", range(1, 11))
    def test_reply_in_two_pieces(self, scene, cut):
        """Wherever it is cut."""
        reply = b"$5\r\nvalue\r\n"
        scene.say(reply[:cut])
        scene.when_put_back(lambda: scene.say(reply[cut:]))

        assert scene.client.get("k") == b"value"
        self.assert_goes_on(scene)

    def test_end_of_the_stream(self, scene):
        """The server has closed the connection after it had the command."""
        scene.when_sent(scene.close_peer_in_order)

        with pytest.raises(redis.ConnectionError, match="closed by server"):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    def test_end_of_the_stream_in_the_middle_of_a_reply(self, scene):
        """Half a value is no value."""
        scene.say(b"$5\r\nva")
        scene.when_put_back(scene.close_peer_in_order)

        with pytest.raises(redis.ConnectionError, match="closed by server"):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    def test_reset(self, scene):
        """The server was killed, with the command unread."""
        scene.when_sent(scene.peer.close)

        with pytest.raises(redis.ConnectionError, match="Error while reading"):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    def test_command_that_cannot_be_sent(self, scene):
        """The server has gone before."""
        scene.peer.close()

        with pytest.raises(redis.ConnectionError, match="while writing"):
            scene.client.get("k")
        assert not scene.connection.is_connected
        assert (scene.connection.pending, scene.connection.dirt()) == (0, "error")
        scene.when_dialled(b"$4\r\nnext\r\n")
        assert scene.client.get("k") == b"next"

    @pytest.mark.parametrize("said", [b"", b"$5\r\nva"])
    def test_timeout(self, monkeypatch, said):
        """No reply, or half of one; a late one must not meet the next command."""
        with Scene(monkeypatch, socket_timeout=0.05) as scene:
            scene.say(said)

            with pytest.raises(redis.TimeoutError, match="Timeout reading"):
                scene.client.get("k")
            self.assert_begins_anew(scene)

    def test_protocol_error(self, scene):
        """It is no Redis that answers there."""
        scene.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with pytest.raises(InvalidResponse):
            scene.client.get("k")
        self.assert_begins_anew(scene)

    def test_reply_that_cannot_be_decoded(self, monkeypatch):
        """It was read as a whole, but the parser has raised: nobody can tell how far it came."""
        with Scene(monkeypatch, decode_responses=True) as scene:
            scene.say(b"$1\r\n\xff\r\n")

            with pytest.raises(UnicodeDecodeError):
                scene.client.get("k")
            assert not scene.connection.is_connected
            scene.when_dialled(b"$4\r\nnext\r\n")
            assert scene.client.get("k") == "next"

    def test_retry_sends_a_lost_command_once_more(self, monkeypatch):
        """Where the program's policy says so: the short way was the first attempt."""
        with Scene(monkeypatch, retry=Retry(NoBackoff(), 1)) as scene:
            scene.when_sent(scene.close_peer_in_order)
            scene.when_dialled(b"$1\r\nv\r\n")

            assert scene.client.get("k") == b"v"
            assert len(scene.peers) == 2

    def test_callback_that_raises_leaves_the_connection_in_order(self, scene):
        """The reply was read."""
        scene.client.set_response_callback("GET", lambda _reply: 1 / 0)
        scene.say(b"$1\r\nv\r\n")

        with pytest.raises(ZeroDivisionError):
            scene.client.get("k")
        del scene.client.response_callbacks["GET"]
        self.assert_goes_on(scene)

    def test_parser_that_holds_on_to_its_reader_reads_on(self, scene):
        """redis-py 8 looks it up once for each reply, others each time."""
        parser = scene.connection._parser
        reader = parser._reader
        reader.feed(b":2\r\n")
        put_back = express.PutBack(parser, 1)
        parser._reader = put_back

        assert put_back.gets() == 1
        assert parser._reader is reader
        assert put_back.gets() == 2


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


def test_class_is_redis_pys_own_where_it_overrides_nothing():
    """Also over TLS, a Unix socket, or another way to connect."""
    for kind in (redis.SSLConnection, redis.UnixDomainSocketConnection, PairedConnection):
        assert is_redis_pys_own(kind)
    assert not is_redis_pys_own(overriding("read_response"))
    assert not is_redis_pys_own(object)
