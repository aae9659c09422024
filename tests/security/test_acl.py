"""ACL users: who may connect, who may do what, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.errors import ANSWERED_WITH_503

from .sides import Side

USER, PASSWORD = "reader", "p@ss/w?rd#1"
ESCAPED = "p%40ss%2Fw%3Frd%231"
PATIENCE = {"timeout": 10}


@pytest.fixture
def port(redis_server: EmbeddedRedis, admin: redis.Redis) -> Iterator[int]:
    """The port of a server with a user who may read, choose a database, and say hello."""
    rules = ["+@read", "+@connection", "-client", "-select", "+echo"]
    admin.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~open:*", *rules)
    yield redis_server.port
    admin.acl_deluser(USER)


class TestUser:
    """By URL, and by options."""

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("where", ["url", "options", "both"])
    def test_user_logs_in(self, side: Side, port: int, protocol: int, where: str):
        """Special characters of the password are escaped in a URL, and nowhere else."""
        before = f"{USER}:{ESCAPED}@" if where != "options" else ""
        settings: dict[str, Any] = {}
        if where != "url":
            settings = {"username": USER, "password": PASSWORD}
        url = f"redis://{before}127.0.0.1:{port}/0"

        reply = side.ask(url, "ECHO", "mine", protocol=protocol, **settings, **PATIENCE)
        assert reply == b"mine"

    @pytest.mark.parametrize("credentials", [f"{USER}:wrong", f"nobody:{ESCAPED}", ":wrong"])
    @pytest.mark.parametrize("protocol", [2, 3])
    def test_wrong_credentials_are_no_outage(
        self, side: Side, port: int, credentials: str, protocol: int, admin: redis.Redis
    ):
        """The server's own answer, however often: no 503, no open circuit, and what to do."""
        url = f"redis://{credentials}@127.0.0.1:{port}/0"
        with_password(admin, lambda: None)
        told = with_password(
            admin,
            lambda: side.refused(url, FAILURES_TO_OPEN + 1, protocol=protocol, **PATIENCE),
        )

        assert isinstance(told.error, AuthenticationError)
        assert not isinstance(told.error, ANSWERED_WITH_503)
        assert told.stats.circuit == "closed"
        assert (told.stats.in_use, told.stats.connecting) == (0, 0)
        (note,) = told.error.__notes__
        assert note.startswith('pool "default": see to the user name and password')

    def test_no_credentials_where_some_are_asked_for(
        self, side: Side, port: int, admin: redis.Redis
    ):
        """The handshake of RESP3 is refused, or else the first command."""
        url = f"redis://127.0.0.1:{port}/0"
        told = with_password(admin, lambda: side.refused(url, protocol=3, **PATIENCE))

        assert isinstance(told.error, AuthenticationError)
        assert told.error.__notes__ != []

    def test_user_who_is_off(self, side: Side, port: int, admin: redis.Redis):
        """As one who does not exist."""
        admin.execute_command("ACL", "SETUSER", USER, "off")
        told = side.refused(f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}/0", **PATIENCE)

        assert isinstance(told.error, AuthenticationError)

    @pytest.mark.parametrize("setting", [{"db": 1}, {"client_name": "web"}])
    def test_user_without_a_right_to_what_connections_begin_with(
        self, side: Side, port: int, setting: dict[str, Any]
    ):
        """The server is there, and says no; ACL LOG knows to what."""
        url = f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}"
        told = side.refused(url, FAILURES_TO_OPEN + 1, **setting, **PATIENCE)

        assert isinstance(told.error, NoPermissionError)
        assert told.stats.circuit == "closed"
        assert "ACL LOG" in told.error.__notes__[0]


def with_password(admin: redis.Redis, act: Any) -> Any:
    """Do something while the default user has a password."""
    admin.config_set("requirepass", PASSWORD)
    try:
        return act()
    finally:
        admin.execute_command("AUTH", PASSWORD)
        admin.config_set("requirepass", "")


class TestCommand:
    """NOPERM is a command's own error: the connection stays in order."""

    @pytest.mark.parametrize("command", [("SET", "open:k", "v"), ("GET", "closed:k")])
    def test_forbidden_command_of_a_thread(self, port: int, command: tuple[str, ...]):
        """By command, and by key; alone, and in a pipeline."""
        url = f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}/0"
        with RedisPool.from_url(url, max_connections=1, **PATIENCE) as pool:
            with pool.lease() as client:
                with pytest.raises(NoPermissionError):
                    client.execute_command(*command)
                assert client.echo("mine") == b"mine"
                refused = client.pipeline(transaction=False).execute_command(*command)
                refused.echo("mine")
                no, yes = refused.execute(raise_on_error=False)
                assert (type(no), yes) == (NoPermissionError, b"mine")
            assert (pool.stats().idle, pool.stats().discarded) == (1, {})

    @pytest.mark.parametrize("command", [("SET", "open:k", "v"), ("GET", "closed:k")])
    def test_forbidden_command_of_a_task(self, port: int, command: tuple[str, ...]):
        """By command, and by key; alone, and in a pipeline."""
        url = f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}/0"

        async def telling() -> None:
            async with AsyncRedisPool.from_url(url, max_connections=1, **PATIENCE) as pool:
                async with pool.lease() as client:
                    with pytest.raises(NoPermissionError):
                        await client.execute_command(*command)
                    assert await client.echo("mine") == b"mine"
                    refused = client.pipeline(transaction=False)
                    refused.execute_command(*command)
                    refused.echo("mine")
                    no, yes = await refused.execute(raise_on_error=False)
                    assert (type(no), yes) == (NoPermissionError, b"mine")
                assert (pool.stats().idle, pool.stats().discarded) == (1, {})

        asyncio.run(telling())

    def test_user_who_may_not_ping_is_alive(self, port: int, admin: redis.Redis, clock: Any):
        """An idle connection is asked with PING, and a no is an answer."""
        admin.execute_command("ACL", "SETUSER", USER, "-ping")
        url = f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}/0"
        with RedisPool.from_url(url, validate_after=1, **PATIENCE) as pool:
            connection = pool.get_connection()
            pool.release(connection)
            clock.advance(2)

            assert pool.get_connection() is connection
            pool.release(connection)

    def test_user_who_is_deleted_is_cut_and_told(self, port: int, admin: redis.Redis):
        """The server closes the user's connections; the next dial is refused."""
        url = f"redis://{USER}:{ESCAPED}@127.0.0.1:{port}/0"
        with RedisPool.from_url(url, max_connections=1, **PATIENCE) as pool:
            assert pool.client.echo("mine") == b"mine"
            admin.acl_deluser(USER)
            with pytest.raises(redis.ConnectionError):
                for _ in range(2):
                    pool.client.echo("mine")
            assert pool.stats().in_use == 0
