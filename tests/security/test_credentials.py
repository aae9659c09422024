"""Passwords from functions and providers: asked at each dial, in time, and never shown."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    PoolConfig,
    PoolCredentialsError,
    RedisPool,
)
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.config import read_settings
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.clock import Metronome
from ..support.threads import wait_until
from .sides import Side, Tasks, Threads

USER, PASSWORD = "app", "f1rst-s3cret"
PATIENCE = {"timeout": 10}


@pytest.fixture
def url(redis_server: EmbeddedRedis, admin: redis.Redis) -> Iterator[str]:
    """A server that knows a user; the default one needs no password."""
    admin.acl_setuser(USER, enabled=True, passwords=f"+{PASSWORD}", keys="*", commands=["+@all"])
    yield redis_server.url
    admin.acl_deluser(USER)


def password() -> str:
    return PASSWORD


async def awaited_password() -> str:
    await asyncio.sleep(0)
    return PASSWORD


class Provider(CredentialProvider):
    """As most are written: it does not know asyncio."""

    def __init__(self, *credentials: Any) -> None:
        self.credentials = credentials or (USER, PASSWORD)
        self.threads: list[threading.Thread] = []

    def get_credentials(self) -> Any:
        self.threads.append(threading.current_thread())
        return self.credentials


class AsyncProvider(CredentialProvider):
    """It knows asyncio alone."""

    async def get_credentials_async(self) -> tuple[str, str]:
        await asyncio.sleep(0)
        return USER, PASSWORD


class TestAsked:
    """At each dial, by threads and by tasks."""

    def test_function_gives_the_password(self, side: Side, url: str):
        """The user's name stands beside it."""
        settings = {"password": password, "username": USER, **PATIENCE}

        assert side.ask(url, "ACL", "WHOAMI", **settings) == USER.encode()

    def test_user_stands_in_the_url(self, side: Side, url: str):
        """And the function in OPTIONS."""
        url = url.replace("redis://", f"redis://{USER}@")
        options = {"password": password}
        config = read_settings({"default": {"URL": url, "TIMEOUT": 10, "OPTIONS": options}})
        pool = RedisPool.from_config(config["default"])

        assert pool.client.acl_whoami() == USER
        assert side.ask(url, "ACL", "WHOAMI", password=password, **PATIENCE) == USER.encode()

    def test_coroutine_function_gives_the_password(self, url: str):
        """Tasks await it."""
        settings = {"password": awaited_password, "username": USER, **PATIENCE}

        assert Tasks.ask(url, "ACL", "WHOAMI", **settings) == USER.encode()

    def test_coroutine_function_is_not_for_threads(self, url: str):
        """They are told so; the coroutine is closed, and nobody is warned of it later."""
        told = Threads.refused(url, password=awaited_password, username=USER, **PATIENCE)

        assert type(told.error) is PoolCredentialsError
        assert "only a pool of tasks" in str(told.error.__cause__.__cause__)

    def test_function_alone_is_for_the_default_user(self, side: Side, admin: redis.Redis, url: str):
        """As a password in a URL is that has no user."""
        admin.config_set("requirepass", PASSWORD)
        try:
            assert side.ask(url, "ACL", "WHOAMI", password=password, **PATIENCE) == b"default"
        finally:
            admin.execute_command("AUTH", PASSWORD)
            admin.config_set("requirepass", "")

    def test_each_dial_asks_anew(self, url: str):
        """Whatever was said before may have changed."""
        asked: list[int] = []
        settings = {"password": lambda: asked.append(0) or PASSWORD, "username": USER}
        with RedisPool.from_url(url, **settings, **PATIENCE) as pool:
            assert pool.warm_up(3, timeout=20) == 3
            assert len(asked) == 3
            pool.client.ping()
            assert len(asked) == 3
            pool.drain()
            pool.client.ping()
            assert len(asked) == 4

    @pytest.mark.parametrize("protocol", [2, 3])
    def test_provider_gives_both(self, side: Side, url: str, protocol: int):
        """redis-py's own interface."""
        provider = Provider()
        reply = side.ask(
            url, "ACL", "WHOAMI", credential_provider=provider, protocol=protocol, **PATIENCE
        )

        assert reply == USER.encode()

    def test_provider_of_tasks_is_awaited(self, url: str):
        """By its own method for that."""
        settings = {"credential_provider": AsyncProvider(), **PATIENCE}

        assert Tasks.ask(url, "ACL", "WHOAMI", **settings) == USER.encode()

    def test_provider_without_asyncio_does_not_hold_up_the_loop(self, url: str, caplog):
        """It is asked in a thread; redis-py would do it in the loop, and log a warning."""
        provider = Provider()
        with caplog.at_level(logging.WARNING):
            Tasks.ask(url, "PING", credential_provider=provider, **PATIENCE)

        assert provider.threads != []
        assert threading.main_thread() not in provider.threads
        assert caplog.records == []

    def test_provider_of_redis_py_is_asked_at_once(self, side: Side, url: str, monkeypatch):
        """It has nothing to wait for, and needs no thread."""
        monkeypatch.setattr("redis_pool_ext.connecting.credentials._Question.start", None)
        provider = UsernamePasswordCredentialProvider(USER, PASSWORD)

        settings = {"credential_provider": provider, **PATIENCE}
        assert side.ask(url, "ACL", "WHOAMI", **settings) == USER.encode()

    def test_provider_that_gives_nothing_leaves_it_at_that(self, side: Side, url: str):
        """As in redis-py: nobody logs in."""
        provider = Provider()
        provider.credentials = ()

        settings = {"credential_provider": provider, **PATIENCE}
        assert side.ask(url, "ACL", "WHOAMI", **settings) == b"default"

    def test_context_variables_are_those_of_the_caller(self, side: Side, url: str):
        """An application's context, say."""
        tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
        tenant.set(PASSWORD)
        settings = {"password": tenant.get, "username": USER, **PATIENCE}

        assert side.ask(url, "ACL", "WHOAMI", **settings) == USER.encode()


class Unwilling(Exception):
    """What a vault's client raises; it quotes what it should not."""


def unwilling() -> str:
    raise Unwilling(f"no {PASSWORD} for you")


class TestRefused:
    """Who gives nothing is told from a server that is down, and costs no slot."""

    @pytest.mark.parametrize("error", [Unwilling, OSError, TimeoutError, redis.ConnectionError])
    def test_function_that_raises(self, side: Side, url: str, error: type[Exception]):
        """Its error is the cause, whatever its class; its words are not repeated."""

        def raising() -> str:
            raise error(f"no {PASSWORD} for you")

        told = side.refused(url, password=raising, username=USER, **PATIENCE)

        assert type(told.error) is PoolCredentialsError
        assert f"the provider of the credentials raised {error.__name__}; see to" in str(told.error)
        assert type(told.error.__cause__.__cause__) is error
        assert PASSWORD not in str(told.error) + repr(told.error)
        assert (told.stats.in_use, told.stats.connecting) == (0, 0)

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (None, "(str, NoneType), not texts"),
            (7, "(str, int), not texts"),
            ("", "an empty password"),
        ],
    )
    def test_function_that_returns_no_password(self, side: Side, url: str, said: Any, words: str):
        """The type is named."""
        told = side.refused(url, password=lambda: said, username=USER, **PATIENCE)

        assert type(told.error) is PoolCredentialsError
        assert words in str(told.error)

    @pytest.mark.parametrize("said", [("one", "two", PASSWORD), PASSWORD])
    def test_provider_that_returns_no_pair(self, side: Side, url: str, said: Any):
        """Its parts are not shown."""
        provider = Provider()
        provider.credentials = said
        told = side.refused(url, credential_provider=provider, **PATIENCE)

        assert "no pair" in str(told.error)
        assert PASSWORD not in str(told.error)

    def test_open_circuit_asks_no_more(self, side: Side, url: str, caplog):
        """A vault that ails is not asked once for each request; all are told why."""
        with caplog.at_level(logging.WARNING, "redis_pool_ext"):
            told = side.refused(url, FAILURES_TO_OPEN + 1, password=unwilling, **PATIENCE)

        assert type(told.error) is PoolCredentialsError
        assert told.stats.circuit != "closed"
        assert PASSWORD not in caplog.text

    def test_pool_goes_on_when_there_are_credentials_again(self, url: str):
        """No slot was lost."""
        answers = iter([Unwilling(), PASSWORD])

        def moody() -> str:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        with RedisPool.from_url(url, password=moody, username=USER, **PATIENCE) as pool:
            with pytest.raises(PoolCredentialsError):
                pool.client.ping()
            assert pool.client.ping()
            assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


class TestInTime:
    """A vault that does not answer costs no more than the timeout."""

    @pytest.fixture
    def vault(self) -> Iterator[threading.Event]:
        """It answers when this is set."""
        event = threading.Event()
        yield event
        event.set()

    def test_function_that_hangs(self, side: Side, url: str, vault: threading.Event):
        """In a thread that nobody waits for."""

        def hanging() -> str:
            vault.wait(30)
            return PASSWORD

        with Metronome() as metronome, metronome.bounded(0.6 + SETUP):
            told = side.refused(url, password=hanging, username=USER, timeout=0.6)

        assert isinstance(told.error, PoolCredentialsError | redis.ConnectionError)
        assert (told.stats.in_use, told.stats.connecting) == (0, 0)

    def test_function_that_hangs_is_named(self, url: str, vault: threading.Event):
        """Threads know where the time went."""
        told = Threads.refused(url, password=lambda: vault.wait(30), timeout=1)

        assert type(told.error) is PoolCredentialsError
        assert "no credentials before the dial's deadline" in str(told.error)

    def test_function_that_hangs_for_who_comes_late_says_nothing(self, url: str, vault: Any):
        """A caller with little time left learns nothing about the vault: it is no outage."""
        with RedisPool.from_url(url, password=lambda: vault.wait(30), timeout=2) as pool:
            with pytest.raises(ConnectionPoolTimeoutError):
                pool.get_connection(deadline=soon(0.1))
            assert pool.stats().circuit == "closed"

    def test_loop_goes_on_while_a_function_hangs(self, url: str, vault: threading.Event):
        """Other tasks have their turns, and the answer is waited for."""

        async def telling() -> None:
            pool = AsyncRedisPool.from_url(
                url, password=lambda: vault.wait(30) and PASSWORD, username=USER, timeout=20
            )
            async with pool:
                asking = asyncio.ensure_future(pool.client.ping())
                while not pool.stats().connecting:
                    await asyncio.sleep(0)
                vault.set()
                assert await asking

        asyncio.run(telling())

    def test_loop_ends_while_a_function_hangs(self, url: str, vault: threading.Event):
        """asyncio would wait for a thread of its own."""
        began = time.monotonic()
        Tasks.refused(url, password=lambda: vault.wait(30), timeout=0.1)

        assert time.monotonic() - began < 10

    def test_late_answer_is_nobodys(self, url: str, vault: threading.Event):
        """It comes when the loop is closed, or has given up."""
        Tasks.refused(url, password=lambda: vault.wait(30) and PASSWORD, timeout=0.1)
        vault.set()

        wait_until(
            lambda: not any(t.name == "redis_pool_ext-credentials" for t in threading.enumerate())
        )


SETUP = 0.1  # seconds to make a pool, and an event loop


def soon(seconds: float) -> Any:
    from redis_pool_ext.deadline import Deadline

    return Deadline(seconds)


class TestRecord:
    """`PoolConfig` stays what it was: compared, hashed, and shown without secrets."""

    def test_same_function_is_the_same_pool(self, url: str):
        """Two readings of the same settings."""
        one, two = (PoolConfig.from_url(url, password=password) for _ in range(2))

        assert one == two
        assert hash(one) == hash(two)
        assert one != PoolConfig.from_url(url, password=unwilling)

    def test_nothing_of_it_is_shown(self, url: str):
        """Neither the function's name nor the provider's."""
        provider = Provider()
        function = {"password": password, "username": USER}
        for settings in (function, {"credential_provider": provider}):
            config = PoolConfig.from_url(url, **settings)
            pool = RedisPool.from_config(config)
            for text in (repr(config), repr(pool), repr(pool.get_connection())):
                assert "password" not in text
                assert "Provider" not in text
            pool.close()

    def test_function_contradicts_a_password_in_the_url(self, redis_server: EmbeddedRedis):
        """One of the two is wrong; neither is shown."""
        url = redis_server.url.replace("redis://", f"redis://:{PASSWORD}@")
        with pytest.raises(ValueError, match="contradicts the URL") as caught:
            PoolConfig.from_url(url, password=password)
        assert PASSWORD not in str(caught.value)

    def test_arguments_of_the_pool_hold_the_provider(self, url: str):
        """redis-py's connections know no function; the caller's mapping stays as it is."""
        settings = {"password": password, "username": USER}
        pool = RedisPool(**settings)

        assert settings == {"password": password, "username": USER}
        assert "password" not in pool.connection_kwargs
        assert pool.connection_kwargs["credential_provider"].get_credentials() == (USER, PASSWORD)
