"""What the books make of news about the server: plain code, nothing is connected."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from redis_pool_ext import RedisPool

OLD, NEW = ("old", 7000), ("new", 7001)


@pytest.fixture
def pool() -> Iterator[Any]:
    """A pool that has been at OLD so far."""
    with RedisPool.from_url("redis+sentinel://h/mymaster") as pool:
        pool._ledger.server = OLD
        yield pool


def dialled(pool: Any, server: tuple[str, int] | None) -> Any:
    return SimpleNamespace(server=server, generation=pool._ledger.generation)


def test_news_of_a_dial_begin_a_generation_that_it_is_the_first_of(pool: Any):
    """All older connections are renewed, and this one is kept."""
    connection = dialled(pool, NEW)
    pool._follow(connection)
    assert (pool._ledger.server, pool._ledger.generation) == (NEW, 1)
    assert connection.generation == 1


@pytest.mark.parametrize("server", [OLD, None])
def test_dial_without_news_changes_nothing(pool: Any, server: tuple[str, int] | None):
    """The same master; or a class that asks nobody."""
    connection = dialled(pool, server)
    pool._follow(connection)
    assert (pool._ledger.server, pool._ledger.generation, connection.generation) == (OLD, 0, 0)


def test_dial_that_was_overtaken_brings_no_news(pool: Any):
    """It was sent to the old one before another dial found the new one; it is not kept."""
    connection = dialled(pool, OLD)
    pool._follow(dialled(pool, NEW))
    pool._follow(connection)
    assert (pool._ledger.server, connection.generation) == (NEW, 0)


def test_look_that_was_overtaken_brings_no_news(pool: Any):
    """A Sentinel was asked before a dial, and answered after it."""
    pool._follow(dialled(pool, NEW))
    assert not pool._settle_at(OLD, instead_of=OLD)
    assert (pool._ledger.server, pool._ledger.generation) == (NEW, 1)


def test_pool_that_is_drained_in_the_same_moment_keeps_nothing(
    pool: Any, monkeypatch: pytest.MonkeyPatch
):
    """Neither what was dialled before, nor what brings news of another server."""
    begin = pool._begin_generation

    def begin_twice(*args: Any, **options: Any) -> None:
        begin(*args, **options)
        begin("drained")

    monkeypatch.setattr(pool, "_begin_generation", begin_twice)
    connection = dialled(pool, NEW)
    pool._follow(connection)
    assert connection.generation < pool._ledger.generation


def test_rounds_are_short_once_the_server_is_known(pool: Any):
    """Where nobody has to be asked they are as long as they were set to be."""
    assert pool.round_every == 0.5
    pool._ledger.server = None
    assert pool.round_every == 30.0
    pool._ledger.server, pool.housekeeping_interval = OLD, None
    assert pool.round_every is None
