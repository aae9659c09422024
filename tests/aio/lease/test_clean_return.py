"""What the next borrower would notice is not handed on.

The twin of tests/lease/test_clean_return.py: the same promises under the same names.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
import redis
import redis.asyncio

from ..pools import pool_of


class TestCleanReturn:
    """What the next borrower would notice is not handed on."""

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize(
        "command",
        [
            ("SELECT", 5),
            ("select", "5"),
            (b"WATCH", "k"),
            ("MULTI",),
            ("CLIENT SETNAME", "me"),
            ("CLIENT", "NO-EVICT", "ON"),
            ("SUBSCRIBE", "news"),
            ("MONITOR",),
            ("AUTH", "x"),
            ("CLIENT", "REPLY", "SKIP"),
        ],
        ids=lambda command: " ".join(map(str, command)),
    )
    async def test_sticky_command_costs_its_connection(self, url, admin, command, protocol, caplog):
        """A connection that was changed is closed, and a warning names who did it."""
        async with pool_of(url, protocol=protocol, socket_timeout=0.2) as pool:
            # A refused AUTH, a reply that was told not to come: the state counts, not the answer.
            async with pool.lease("GET /odd") as client:
                with suppress(redis.RedisError):
                    await client.execute_command(*command)
            stats = pool.stats()

        assert stats.idle == 0
        assert stats.in_use == 0
        assert stats.discarded in ({"dirty": 1}, {"error": 1})
        assert ("instead of reused: left in" in caplog.text) == ("dirty" in stats.discarded)
        assert ("GET /odd" in caplog.text) == ("dirty" in stats.discarded)

    async def test_warning_names_the_borrower_as_it_is_called_at_the_end(self, url, caplog):
        """A request's name grows while it runs: the view is known later than the path."""
        async with pool_of(url) as pool, pool.lease("GET /odd") as client:
            await client.select(3)
            client.connection_pool.holder = "GET /odd (views.odd)"
            await client.release()

        assert "by GET /odd (views.odd)" in caplog.text

    @pytest.mark.parametrize(
        "command", [("CLIENT", "ID"), ("CLIENT INFO",), ("client", "getname"), ("PING",)]
    )
    async def test_harmless_command_keeps_its_connection(self, url, command):
        """Looking changes nothing."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command(*command)

            assert pool.stats().idle == 1

    async def test_finished_transaction_keeps_its_connection(self, url):
        """EXEC ends WATCH and MULTI, so nothing is left."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command("WATCH", "k")
                await client.execute_command("MULTI")
                await client.execute_command("EXEC")

            assert pool.stats().idle == 1

    async def test_unwatched_connection_is_kept(self, url):
        """A pipeline that watched and gave up cleans up after itself."""
        async with pool_of(url) as pool:
            async with pool.lease() as client, client.pipeline() as pipe:
                await pipe.watch("k")

            assert pool.stats().idle == 1

    async def test_exec_without_multi_leaves_the_watch(self, url):
        """A refused EXEC or DISCARD ends no WATCH: the connection is not reused."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command("WATCH", "k")
                with pytest.raises(redis.ResponseError):
                    await client.execute_command("DISCARD")

            assert pool.stats().discarded == {"dirty": 1}

    async def test_unread_reply_costs_its_connection(self, url):
        """Sent minus read is not zero: the next borrower would read that reply."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                connection = await client.connection_pool.get_connection()
                await connection.send_command("ECHO", "secret")
                await client.connection_pool.release(connection)
            async with pool.lease() as client:
                assert await client.echo("mine") == b"mine"

            assert pool.stats().discarded == {"dirty": 1}

    async def test_unread_reply_does_not_answer_the_next_command(self, url):
        """Nor within one lease."""
        async with pool_of(url) as pool, pool.lease() as client:
            connection = await client.connection_pool.get_connection()
            await connection.send_command("ECHO", "old")
            await client.connection_pool.release(connection)

            assert await client.echo("new") == b"new"

    async def test_raising_callback_in_a_pipeline_leaves_nothing_unread_to_others(self, url):
        """A callback that raises leaves replies unread; nobody else reads them."""

        def fail(_reply):
            raise ZeroDivisionError

        async with pool_of(url) as pool:
            async with pool.lease() as client:
                client.set_response_callback("GET", fail)
                pipe = client.pipeline(transaction=False)
                pipe.get("a")
                pipe.echo("secret")
                with pytest.raises(ZeroDivisionError):
                    await pipe.execute()
                assert await client.echo("mine") == b"mine"
            async with pool.lease() as client:
                assert await client.echo("mine") == b"mine"

    async def test_clean_return_costs_no_round_trip(self, url, admin):
        """The server hears the borrower's commands and nothing else."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.ping()
            before = admin.info("stats")["total_commands_processed"]
            async with pool.lease() as client:
                await client.ping()

            assert admin.info("stats")["total_commands_processed"] - before == 2  # PING, INFO
