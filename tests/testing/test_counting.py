"""`assert_max_redis_commands`: how much is asked of Redis."""

from __future__ import annotations

import pytest

from redis_pool_ext import ConfigError, get_pool
from redis_pool_ext.testing import assert_max_redis_commands

from ..support.threads import spawn


def test_one_command_too_many_fails_and_all_are_listed(caller):
    """With their keys, and without their values."""
    with pytest.raises(AssertionError) as told, assert_max_redis_commands(1):
        caller.ask("SET", "name", "s3cret")
        caller.ask("GET", b"name")

    assert str(told.value) == (
        "2 commands were sent to Redis, 1 may be:\n  1. SET name\n  2. GET name"
    )


def test_as_many_as_may_be_pass(caller):
    """The handshake of a new connection does not count."""
    with assert_max_redis_commands(1) as sent:
        caller.ask("GET", "k")

    assert sent.commands == ["GET k"]


def test_commands_on_a_lease_count(caller):
    """Also on a connection that was taken before, and goes the short way."""
    with caller.lease() as ask:
        ask("GET", "k")
        with assert_max_redis_commands(2) as sent:
            ask("GET", "k")
            ask("GET", "other")

    assert sent.commands == ["GET k", "GET other"]


@pytest.mark.parametrize(("transaction", "count"), [(False, 3), (True, 5)])
def test_pipeline_counts_by_its_commands(caller, transaction: bool, count: int):
    """A transaction has two more: MULTI and EXEC."""
    with assert_max_redis_commands(5) as sent:
        caller.pipeline(*[("INCR", "n")] * 3, transaction=transaction)

    assert len(sent) == count


def test_other_threads_count(pools):
    """They are of the same process."""
    with pytest.raises(AssertionError), assert_max_redis_commands(0):
        spawn(get_pool().client.ping).result()


def test_one_pool_can_be_counted_alone(caller):
    """By its alias; without one, all are."""
    with assert_max_redis_commands(0, "reports"), assert_max_redis_commands(2) as sent:
        caller.ask("GET", "k")
    with assert_max_redis_commands(1) as sent:
        caller.ask("GET", "k", alias="reports")

    assert sent.commands == ["GET k"]


def test_questions_of_the_pool_do_not_count(caller):
    """An idle connection is asked with a PING."""
    caller.ask("GET", "k")
    pool = caller.pool()
    pool._ledger.doubt(float("inf"))
    with assert_max_redis_commands(1) as sent:
        caller.ask("PING")

    assert sent.commands == ["PING"]


def test_secrets_are_not_listed(pools):
    """Nor is what is no key."""
    with assert_max_redis_commands(3) as sent:
        client = get_pool().client
        client.echo("s3cret")
        client.set("k", "s3cret")
        client.execute_command("CLIENT SETNAME", "s3cret")

    assert "s3cret" not in repr(sent)


def test_error_of_the_test_is_not_hidden(caller):
    """It is told, and not what was sent before."""
    with pytest.raises(ZeroDivisionError), assert_max_redis_commands(0):
        caller.ask("PING")
        raise ZeroDivisionError


def test_connections_are_as_before_afterwards(caller):
    """Of their own class, in the pool and out of it."""
    with caller.lease() as ask:
        before = type(_connection(caller.pool()))
        with assert_max_redis_commands(1):
            ask("PING")
            assert type(_connection(caller.pool())) is not before
        assert type(_connection(caller.pool())) is before
        assert ask("PING")
    assert "testing" not in caller.pool().connection_class.__module__


def _connection(pool):
    (slot,) = pool._ledger.slots()
    return slot.connection()


@pytest.mark.parametrize("n", [-1, 1.5, "1", None, True])
def test_impossible_number_is_refused(n):
    """The message names the argument."""
    with pytest.raises(ConfigError, match=r"commands\(n\)"), assert_max_redis_commands(n):
        pass
