"""What the next borrower would notice is not handed on."""

from __future__ import annotations

from contextlib import suppress

import pytest
import redis

from redis_pool_ext import RedisPool


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
    def test_sticky_command_costs_its_connection(self, url, admin, command, protocol, caplog):
        """A connection that was changed is closed, and a warning names who did it."""
        with RedisPool.from_url(url, protocol=protocol, timeout=1, socket_timeout=0.2) as pool:
            # A refused AUTH, a reply that was told not to come: the state counts, not the answer.
            with pool.lease("GET /odd") as client, suppress(redis.RedisError):
                client.execute_command(*command)
            stats = pool.stats()

        assert stats.idle == 0
        assert stats.in_use == 0
        assert stats.discarded in ({"dirty": 1}, {"error": 1})
        assert ("instead of reused: left in" in caplog.text) == ("dirty" in stats.discarded)
        assert ("GET /odd" in caplog.text) == ("dirty" in stats.discarded)

    def test_warning_names_the_borrower_as_it_is_called_at_the_end(self, url, caplog):
        """A request's name grows while it runs: the view is known later than the path."""
        with RedisPool.from_url(url) as pool, pool.lease("GET /odd") as client:
            client.select(3)
            client.connection_pool.holder = "GET /odd (views.odd)"
            client.release()

        assert "by GET /odd (views.odd)" in caplog.text

    @pytest.mark.parametrize(
        "command", [("CLIENT", "ID"), ("CLIENT INFO",), ("client", "getname"), ("PING",)]
    )
    def test_harmless_command_keeps_its_connection(self, pool, command):
        """Looking changes nothing."""
        with pool.lease() as client:
            client.execute_command(*command)

        assert pool.stats().idle == 1

    def test_finished_transaction_keeps_its_connection(self, pool):
        """EXEC ends WATCH and MULTI, so nothing is left."""
        with pool.lease() as client:
            client.execute_command("WATCH", "k")
            client.execute_command("MULTI")
            client.execute_command("EXEC")

        assert pool.stats().idle == 1

    def test_unwatched_connection_is_kept(self, pool):
        """A pipeline that watched and gave up cleans up after itself."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("k")

        assert pool.stats().idle == 1

    def test_exec_without_multi_leaves_the_watch(self, pool):
        """A refused EXEC or DISCARD ends no WATCH: the connection is not reused."""
        with pool.lease() as client:
            client.execute_command("WATCH", "k")
            with pytest.raises(redis.ResponseError):
                client.execute_command("DISCARD")

        assert pool.stats().discarded == {"dirty": 1}

    def test_unread_reply_costs_its_connection(self, pool):
        """Sent minus read is not zero: the next borrower would read that reply."""
        with pool.lease() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("ECHO", "secret")
            client.connection_pool.release(connection)
        with pool.lease() as client:
            assert client.echo("mine") == b"mine"

        assert pool.stats().discarded == {"dirty": 1}

    def test_unread_reply_does_not_answer_the_next_command(self, pool):
        """Nor within one lease."""
        with pool.lease() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("ECHO", "old")
            client.connection_pool.release(connection)

            assert client.echo("new") == b"new"

    def test_raising_callback_in_a_pipeline_leaves_nothing_unread_to_others(self, pool):
        """A callback that raises leaves replies unread; nobody else reads them."""

        def fail(_reply):
            raise ZeroDivisionError

        with pool.lease() as client:
            client.set_response_callback("GET", fail)
            pipe = client.pipeline(transaction=False)
            pipe.get("a")
            pipe.echo("secret")
            with pytest.raises(ZeroDivisionError):
                pipe.execute()
            assert client.echo("mine") == b"mine"
        with pool.lease() as client:
            assert client.echo("mine") == b"mine"

    def test_clean_return_costs_no_round_trip(self, pool, admin):
        """The server hears the borrower's commands and nothing else."""
        with pool.lease() as client:
            client.ping()
        before = admin.info("stats")["total_commands_processed"]
        with pool.lease() as client:
            client.ping()

        assert admin.info("stats")["total_commands_processed"] - before == 2  # PING, INFO
