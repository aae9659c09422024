"""Sources of scopes: a wing makes one when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_pool_ext import ConfigError, Priority, RedisPool, lease_scope, scope
from redis_pool_ext.scope import Scope, add_source, current_scope, entered_scope


@pytest.fixture(autouse=True)
def _own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "_sources", [])


@pytest.fixture
def made() -> Iterator[list[Scope]]:
    """The scopes that a source has returned."""
    made: list[Scope] = []

    def source() -> Scope:
        made.append(Scope("a request"))
        return made[-1]

    add_source(source)
    return made


def test_source_is_asked_where_no_scope_was_entered(made):
    """What it returns is the current scope."""
    assert current_scope() is made[0]


def test_source_is_not_asked_inside_a_scope():
    """Whoever holds a lease already shares it with all that comes in the block."""
    with lease_scope() as outer:
        add_source(lambda: Scope("never"))
        assert current_scope() is outer


def test_source_is_asked_again_when_the_scope_has_ended(made):
    """An ended scope counts as none."""
    with lease_scope() as first:
        assert first is made[0]
    inner = scope.enter_scope(Scope())
    entered_scope().end()
    assert current_scope() is made[1]
    scope.leave_scope(inner)


def test_lease_scope_joins_the_scope_of_a_source(made):
    """And does not end it."""
    with lease_scope() as joined:
        assert joined is made[0]
    assert not joined.has_ended


def test_look_at_the_entered_scope_asks_no_source(made):
    """For those who only want to know whether there is one."""
    assert entered_scope() is None
    assert made == []


def test_sources_that_have_none_are_passed_over():
    """One after the other is asked; outside of all there is no scope."""
    add_source(lambda: None)
    assert current_scope() is None
    mine = Scope()
    add_source(lambda: mine)
    assert current_scope() is mine


def test_source_that_is_added_twice_is_asked_once():
    """Each app that is set up adds its wing's."""
    asked = []

    def source() -> None:
        asked.append("once")

    for _ in range(2):
        add_source(source)
    assert current_scope() is None
    assert asked == ["once"]


def test_terms_of_a_scope_are_those_of_its_leases():
    """Budget and priority, of those that are there and of those to come."""
    pool, other = RedisPool(), RedisPool(alias="other")
    with lease_scope(budget=2.0, priority="low") as scope:
        first = scope.client(pool).connection_pool
        assert first.budget is scope.budget
        assert first.priority is Priority.LOW
        scope.limit(budget=0.5, priority="high")
        second = scope.client(other).connection_pool
        for lease in (first, second):
            assert lease.budget is scope.budget
            assert lease.priority is Priority.HIGH
    assert scope.budget is not None
    assert scope.budget.seconds == 0.5


@pytest.mark.parametrize("budget", [None, 2.0])
def test_terms_that_are_set_apart_hold_to_the_end_of_their_block(budget: float | None):
    """Those from before hold again, also for leases that came meanwhile."""
    pool = RedisPool()
    with lease_scope(budget=budget) as scope:
        before = scope.budget
        with scope.apart():
            scope.limit(budget=0.5, priority="high")
            lease = scope.client(pool).connection_pool
            assert (lease.budget.seconds, lease.priority) == (0.5, Priority.HIGH)
        assert scope.budget is lease.budget is before
        assert before is None or before.seconds == 2.0
        assert scope.priority is lease.priority is Priority.NORMAL


def test_impossible_terms_change_nothing():
    """One wrong argument, and the other one is not taken either."""
    with lease_scope(budget=2.0) as scope:
        with pytest.raises(ConfigError, match="priority"):
            scope.limit(budget=0.5, priority="urgent")
        with pytest.raises(ConfigError, match="budget"):
            scope.limit(budget=0, priority="high")
        assert (scope.budget.seconds, scope.priority) == (2.0, Priority.NORMAL)
    with pytest.raises(ConfigError, match="priority"), lease_scope(priority="urgent"):
        pass
