"""What is not an ordinary reply is met again by redis-py, at the place where it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, InvalidResponse
from redis.retry import Retry

from redis_pool_ext.wire import express

from ..support.pairs import Scene
from .ways import PUSH, PUSHED, SHORT_WAY


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
