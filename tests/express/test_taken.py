"""The short way is taken: none of redis-py's own steps is done."""

from __future__ import annotations

import pytest
import redis

from ..support.protocols import PROTOCOLS
from .ways import SHORT_WAY, borrow


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
