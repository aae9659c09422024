"""Credentials that change while leases are out: nobody notices, and new dials use the new ones."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from redis.credentials import StreamingCredentialProvider

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.connecting import rotation
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.threads import spawn, wait_until

USER = "app"


class Streaming(StreamingCredentialProvider):
    """Hands out tokens of one user, and tells its listeners of each new one."""

    def __init__(self, admin: redis.Redis) -> None:
        self._admin = admin
        self._numbers = itertools.count(1)
        self.listeners: list[Callable[[Any], Any]] = []
        self.asked: list[str] = []
        self.token = ""
        self.renew()

    def get_credentials(self) -> tuple[str, str]:
        self.asked.append(self.token)
        return USER, self.token

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()

    def on_next(self, callback: Callable[[Any], Any]) -> None:
        self.listeners.append(callback)

    def on_error(self, callback: Callable[[Exception], Any]) -> None:
        pass

    def is_streaming(self) -> bool:
        return True

    def renew(self) -> None:
        """Let the old token count no more, and tell all who listen."""
        self.token = f"t0ken-{next(self._numbers)}"
        self._admin.execute_command(
            "ACL", "SETUSER", USER, "on", "resetpass", f">{self.token}", "~*", "&*", "+@all"
        )
        for listener in list(self.listeners):
            listener(self)

    def try_get(self, _key: str) -> str:
        return USER

    def get_value(self) -> str:
        return self.token


@pytest.fixture
def tokens(admin: redis.Redis) -> Iterator[Streaming]:
    yield Streaming(admin)
    admin.acl_deluser(USER)


@pytest.fixture
def pool(redis_server: EmbeddedRedis, tokens: Streaming) -> Iterator[RedisPool]:
    with RedisPool.from_url(
        redis_server.url, max_connections=4, timeout=20, credential_provider=tokens
    ) as pool:
        yield pool


class TestThreads:
    """The pool begins anew, and nothing is sent on a connection that somebody has."""

    def test_idle_connections_close_at_once(self, pool: RedisPool, tokens: Streaming):
        """The next dial uses the new token."""
        pool.warm_up(3, timeout=20)
        tokens.renew()

        assert (pool.stats().idle, pool.stats().discarded) == (0, {"drained": 3})
        assert pool.client.ping()
        assert tokens.asked[-1] == tokens.token

    def test_leases_go_on_and_close_as_they_come_back(self, pool: RedisPool, tokens: Streaming):
        """Their commands have their own replies, also those that are under way."""
        with pool.lease() as client:
            client.set("k", "v")
            (connection,) = client.connection_pool.held
            connection.send_command("ECHO", "mine")
            tokens.renew()

            assert connection.read_response() == b"mine"
            assert client.get("k") == b"v"
            assert client.connection_pool.held == [connection]
        assert pool.stats().discarded == {"drained": 1}
        assert pool.client.get("k") == b"v"

    def test_subscription_goes_on(self, pool: RedisPool, tokens: Streaming):
        """redis-py would send AUTH on it, and on the connection's next holder's."""
        with pool.lease() as client:
            listening = client.pubsub(ignore_subscribe_messages=True)
            listening.subscribe("news")
            listening.get_message(timeout=5)
            tokens.renew()
            client.publish("news", "it works")

            assert listening.get_message(timeout=5)["data"] == b"it works"

    def test_storm_of_tokens(self, pool: RedisPool, tokens: Streaming):
        """Each command has its own reply, and no dial is refused for an old token."""
        is_over = threading.Event()

        def work(number: int) -> int:
            turn = 0
            while not is_over.is_set():
                with pool.lease() as client:
                    for _ in range(3):
                        word = f"{number} {turn}".encode()
                        try:
                            assert client.echo(word) == word
                        except redis.AuthenticationError:
                            # Asked for before the token changed, and used after: an honest no.
                            break
                        turn += 1
            return turn

        workers = [spawn(work, number) for number in range(8)]
        for _ in range(40):
            before = pool.stats().created
            tokens.renew()
            wait_until(lambda before=before: pool.stats().created > before)
        is_over.set()

        assert all(worker.result(20) for worker in workers)
        assert pool.stats().in_use == 0
        assert set(pool.stats().discarded) <= {"drained", "stale"}


class TestTasks:
    """Likewise; the provider may speak from another thread."""

    @pytest.mark.parametrize("from_thread", [False, True], ids=["here", "thread"])
    def test_idle_connections_close_and_leases_go_on(
        self, redis_server: EmbeddedRedis, tokens: Streaming, from_thread: bool
    ):
        """Sockets are closed where the loop is."""

        async def telling() -> None:
            async with AsyncRedisPool.from_url(
                redis_server.url, max_connections=4, timeout=20, credential_provider=tokens
            ) as pool:
                await pool.warm_up(2, timeout=20)
                async with pool.lease() as client:
                    await client.set("k", "v")
                    (connection,) = client.connection_pool.held
                    await connection.send_command("ECHO", "mine")
                    if from_thread:
                        await asyncio.to_thread(tokens.renew)
                    else:
                        tokens.renew()
                    while pool.stats().idle:
                        await asyncio.sleep(0)
                    assert await connection.read_response() == b"mine"
                    assert await client.get("k") == b"v"
                assert pool.stats().discarded == {"drained": 2}
                assert await pool.client.get("k") == b"v"
                assert tokens.asked[-1] == tokens.token

        asyncio.run(telling())

    def test_subscription_goes_on(self, redis_server: EmbeddedRedis, tokens: Streaming):
        """redis-py would send AUTH on it."""

        async def telling() -> None:
            async with (
                AsyncRedisPool.from_url(
                    redis_server.url, timeout=20, credential_provider=tokens
                ) as pool,
                pool.lease() as client,
            ):
                listening = client.pubsub(ignore_subscribe_messages=True)
                await listening.subscribe("news")
                await listening.get_message(timeout=5)
                tokens.renew()
                await client.publish("news", "it works")
                assert (await listening.get_message(timeout=5))["data"] == b"it works"

        asyncio.run(telling())

    def test_storm_of_tokens(self, redis_server: EmbeddedRedis, tokens: Streaming):
        """Each command has its own reply."""

        async def work(pool: AsyncRedisPool, number: int) -> None:
            for turn in range(60):
                async with pool.lease() as client:
                    word = f"{number} {turn}".encode()
                    try:
                        assert await client.echo(word) == word
                    except redis.AuthenticationError:
                        continue  # asked for before the token changed, and used after

        async def storm() -> None:
            async with AsyncRedisPool.from_url(
                redis_server.url, max_connections=4, timeout=20, credential_provider=tokens
            ) as pool:
                working = asyncio.gather(*(work(pool, number) for number in range(8)))
                while not working.done():
                    await asyncio.to_thread(tokens.renew)
                await working
                assert set(pool.stats().discarded) <= {"drained", "stale"}

        asyncio.run(storm())


class TestRegistration:
    """One listener for each provider, whoever uses it, and however often."""

    def test_leases_and_subscriptions_do_not_register(self, pool: RedisPool, tokens: Streaming):
        """In redis-py each of some kinds of clients does, for good."""
        for _ in range(5):
            with pool.lease() as client:
                client.ping()
                client.pubsub().subscribe("news")
            single = redis.Redis(connection_pool=pool, single_connection_client=True)
            single.ping()
            single.close()
            pool.client.ping()

        assert len(tokens.listeners) == 1

    def test_two_pools_are_both_told(self, redis_server: EmbeddedRedis, tokens: Streaming):
        """A provider may know one listener alone: the last to come would be it."""
        pools = [
            RedisPool.from_url(redis_server.url, credential_provider=tokens, timeout=20)
            for _ in range(2)
        ]
        for pool in pools:
            pool.client.ping()
        del tokens.listeners[:-1]
        tokens.renew()

        assert [pool.stats().idle for pool in pools] == [0, 0]
        for pool in pools:
            pool.close()

    def test_pool_that_is_gone_is_not_kept(self, redis_server: EmbeddedRedis, tokens: Streaming):
        """Nor is the provider."""
        gone = weakref.ref(RedisPool.from_url(redis_server.url, credential_provider=tokens))
        gc.collect()
        assert gone() is None
        tokens.renew()

        before = len(rotation._rotations)
        forgotten = Streaming(tokens._admin)
        kept = RedisPool(credential_provider=forgotten)
        assert len(rotation._rotations) == before + 1
        forgotten.listeners.clear()
        del kept, forgotten
        gc.collect()
        assert len(rotation._rotations) == before

    def test_provider_that_compares_by_value(self, redis_server: EmbeddedRedis):
        """It has no hash, or not even weak references."""

        @dataclass(slots=True)
        class ByValue(StreamingCredentialProvider):
            token: str = "t"
            listeners: list[Any] = field(default_factory=list)

            def get_credentials(self) -> tuple[str]:
                return (self.token,)

            def on_next(self, callback: Callable[[Any], Any]) -> None:
                self.listeners.append(callback)

            def on_error(self, callback: Callable[[Exception], Any]) -> None: ...

            def is_streaming(self) -> bool:
                return True

        one, two = ByValue(), ByValue()
        assert one == two
        pools = [RedisPool(credential_provider=each) for each in (one, two, one)]

        assert (len(one.listeners), len(two.listeners)) == (1, 1)
        assert [pool.stats().generation for pool in pools] == [0, 0, 0]
        one.listeners[0]("new")
        assert [pool.stats().generation for pool in pools] == [1, 0, 1]
