"""The leased client is as redis-py's own is, to tracers, in its replies, at its end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import redis
import redis.asyncio

from ...support.protocols import PROTOCOLS
from ..pools import pool_of
from .works import Client


class TestTracing:
    """What others put around redis-py's methods sees the leased client's commands."""

    async def test_wrapped_execute_command_sees_each_command_once(self, url, monkeypatch):
        """Also when the lease was in use before, and when the wrapper is taken off again."""
        seen = []
        execute_command = Client.execute_command

        async def traced(self, *args, **options):
            seen.append(args[0])
            return await execute_command(self, *args, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            await client.set("k", "text")
            with monkeypatch.context() as patches:
                patches.setattr(Client, "execute_command", traced)
                assert await client.get("k") == b"text"
                assert await client.hset("h", mapping={"a": 1}) == 1
                assert await client.hgetall("h") == {b"a": b"1"}
                assert await client.config_get("maxclients")
                with pytest.raises(redis.ResponseError):
                    await client.incr("k")
                assert await client.blpop("nothing", 0.01) is None
            assert await client.get("k") == b"text"

        assert seen == ["GET", "HSET", "HGETALL", "CONFIG GET", "INCRBY", "BLPOP"]

    @pytest.mark.parametrize(
        "name", ["execute", "immediate_execute_command", "pipeline_execute_command"]
    )
    async def test_wrapped_method_of_pipelines_is_called(self, url, monkeypatch, name):
        """By the class that redis-py gives its own pipelines."""
        seen = []
        original = getattr(redis.asyncio.client.Pipeline, name)

        def traced(self, *args, **options):
            seen.append(args)
            return original(self, *args, **options)

        monkeypatch.setattr(redis.asyncio.client.Pipeline, name, traced)
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("k")
            pipe.multi()
            pipe.set("k", 1)
            assert await pipe.execute() == [True]

        assert len(seen) == 1

    async def test_wrapped_parse_response_reads_each_reply(self, url, monkeypatch):
        """Set on the class, as tools do, or on one client."""
        seen = []
        parse_response = Client.parse_response

        async def traced(self, connection, command_name, **options):
            seen.append(command_name)
            return await parse_response(self, connection, command_name, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            await client.ping()
            with monkeypatch.context() as patches:
                patches.setattr(Client, "parse_response", traced)
                assert await client.echo("mine") == b"mine"
            client.parse_response = traced.__get__(client)
            assert await client.get("k") is None

        assert seen == ["ECHO", "GET"]


class TestReplies:
    """What a command returns is what it returns on redis-py's own client."""

    @PROTOCOLS
    @pytest.mark.parametrize("decode", [False, True], ids=["bytes", "text"])
    async def test_replies_are_those_of_redis_py(self, url, admin, protocol, decode):
        """By both protocols, decoded or not."""
        options = {"protocol": protocol, "decode_responses": decode}
        async with pool_of(url, **options) as pool, pool.lease() as client:
            ours = await _replies_to(client)
        admin.flushall()
        async with Client.from_url(url, **options) as client:
            theirs = await _replies_to(client)

        assert ours == theirs
        assert list(map(type, ours)) == list(map(type, theirs))

    @PROTOCOLS
    async def test_decoding_may_be_left_out_for_one_command(self, url, protocol):
        """By redis-py's own option."""
        async with (
            pool_of(url, protocol=protocol, decode_responses=True) as pool,
            pool.lease() as client,
        ):
            await client.set("k", "\u00e9")
            assert await client.get("k") == "\u00e9"
            assert await client.execute_command("GET", "k", NEVER_DECODE=True) == b"\xc3\xa9"
            assert await client.get("k") == "\u00e9"

    @PROTOCOLS
    async def test_bytes_that_are_no_text_cost_the_connection_and_nothing_else(self, url, protocol):
        """They cannot be decoded; the next reply is the next command's."""
        async with (
            pool_of(url, protocol=protocol, decode_responses=True) as pool,
            pool.lease() as client,
        ):
            await client.set("k", b"\xff")
            with pytest.raises(UnicodeDecodeError):
                await client.get("k")
            assert await client.echo("mine") == "mine"


class TestOwnContext:
    """redis-py's ways to close a client, on one that has nothing of its own."""

    async def test_async_with_client_does_not_end_the_lease(self, url):
        """Nor does aclose(): the lease ends with its own block."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            async with client as entered:
                assert entered is client
                assert await entered.echo("inside") == b"inside"
            await client.aclose()
            assert await (await client).echo("mine") == b"mine"

            assert await client.client_id() == number
            assert pool.stats().in_use == 1


async def _replies_to(client: Client) -> list[Any]:
    pipe = client.pipeline(transaction=False).get("k").hgetall("h").smembers("s").zscore("z", "a")
    replies = [
        await client.set("k", "1"),
        await client.get("k"),
        await client.get("none"),
        await client.incrbyfloat("k", 0.5),
        await client.mget("k", "none"),
        await client.exists("k"),
        await client.hset("h", mapping={"a": "1", "b": "2"}),
        await client.hgetall("h"),
        await client.sadd("s", "a"),
        await client.smembers("s"),
        await client.zadd("z", {"a": 1, "b": 2.5}),
        await client.zrange("z", 0, -1, withscores=True),
        await client.zscore("z", "b"),
        await client.rpush("l", "a", "b"),
        await client.lrange("l", 0, -1),
        await client.type("l"),
        await client.config_get("maxclients"),
        await client.scan(match="k"),
        await client.eval("return {1, 'two', false}", 0),
        await pipe.execute(),
    ]
    with suppress(redis.ResponseError):
        replies.append(await client.lpush("k", "refused"))
    return replies
