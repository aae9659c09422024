"""Holders by kind: whose like has the connections, and that this cannot grow without bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.sizing.history import kind_of

from ..support.stub import StubConnection


class Request:
    """A holder with a name of its own, and a kind."""

    def __init__(self, number: int, kind: str = "GET /users/<id>") -> None:
        self.number, self.kind = number, kind

    def __str__(self) -> str:
        return f"GET /users/{self.number}"


class Broken:
    """A holder that cannot be asked any more."""

    def __str__(self) -> str:
        raise RuntimeError("it goes on elsewhere")


@pytest.fixture
def pool() -> Iterator[RedisPool]:
    """A pool of four stubs that only the test looks at."""
    with RedisPool(StubConnection, max_connections=4, housekeeping_interval=None) as pool:
        yield pool


@pytest.mark.parametrize(
    ("holder", "kind"),
    [
        (Request(7), "GET /users/<id>"),
        ("a task", "a task"),
        (None, "a borrower without a name"),
        (Broken(), "a borrower without a name"),
    ],
)
def test_holder_is_of_the_kind_that_it_says(holder, kind):
    """Else of one of its own, under its name; one that cannot be asked is nobody."""
    assert kind_of(holder) == kind


def test_share_is_that_of_all_holders_of_a_kind(pool):
    """Three requests of one view had three quarters of what was held."""
    holders = [Request(1), Request(2), Request(3), "a task"]
    with ExitStack() as stack:
        for holder in holders:
            stack.enter_context(pool.lease(holder)).connection_pool.take()
        pool.history.keep_house()
    assert pool.shares() == {"GET /users/<id>": 0.75, "a task": 0.25}


def test_holders_are_told_with_name_and_kind(pool):
    """The name is this one's, the kind that of its like."""
    with pool.lease(Request(7)) as client:
        client.connection_pool.take()
        [holder] = pool.holders()
    assert (holder.name, holder.kind) == ("GET /users/7", "GET /users/<id>")


def test_kinds_that_are_remembered_are_bounded(pool):
    """Whoever names each holder differently loses new names, not memory."""
    for number in range(300):
        with pool.lease(f"task {number}") as client:
            client.connection_pool.take()
            pool.history.keep_house()
    assert len(pool.shares()) == 200


def test_kind_that_is_known_goes_on_being_counted_when_there_are_too_many(pool):
    """The bound is for new ones."""
    with pool.lease("the first") as first:
        first.connection_pool.take()
        for number in range(300):
            with pool.lease(f"task {number}") as client:
                client.connection_pool.take()
                pool.history.keep_house()
    assert next(iter(pool.shares())) == "the first"
    assert pool.shares()["the first"] > 0.5
