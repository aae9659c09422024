"""The same work without a pool and with it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

import pytest

from redis_pool_ext.demo import compare as compare_module
from redis_pool_ext.demo.compare import COMMANDS, POOL, ROUNDS, Result, compare
from redis_pool_ext.demo.server import find_server
from redis_pool_ext.embedded import EmbeddedRedis


class Measured(NamedTuple):
    """One comparison: its results, what was seen on the way, and the keys that it left."""

    without: Result
    pooled: Result
    seen: list[tuple[int, int]]
    keys: object


@pytest.fixture(scope="module", params=["redis-server", "fakeredis"])
def measured(request: pytest.FixtureRequest, redis_server: EmbeddedRedis) -> Measured:
    """Compare once on a real server, and once on the one without sockets."""
    seen: list[tuple[int, int]] = []
    with ExitStack() as stack:
        url = redis_server.url if request.param == "redis-server" else "fakeredis://"
        server = find_server(url, stack)
        client = stack.enter_context(server.new_client())
        client.flushall()
        sides = compare(server, lambda *both: seen.append((both[0].done, both[1].done)))
        return Measured(*sides, seen, client.keys("*"))


def test_comparison_counts_a_connection_per_command_against_one_pool(measured: Measured) -> None:
    """Without the pool each command opens one; with it, never more than the pool has."""
    assert measured.without.connections == COMMANDS * ROUNDS
    assert 1 <= measured.pooled.connections <= POOL


def test_comparison_measures_every_round_of_both_sides(measured: Measured) -> None:
    """Each round of either side has a time of its own."""
    assert [len(measured.without.seconds), len(measured.pooled.seconds)] == [ROUNDS, ROUNDS]
    assert min(measured.without.seconds + measured.pooled.seconds) > 0


def test_comparison_takes_turns(measured: Measured) -> None:
    """The sides run round by round, so that a slow moment hits both."""
    assert all(0 <= without - pooled <= COMMANDS for without, pooled in measured.seen)
    assert measured.seen[-1] == (COMMANDS * ROUNDS, COMMANDS * ROUNDS)


def test_comparison_leaves_no_key_behind(measured: Measured) -> None:
    """The user's server is as it was."""
    assert measured.keys == []


def test_failing_command_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a thread is raised where the result would be."""
    monkeypatch.setattr(compare_module, "_anew", lambda _server, _command: 1 / 0)
    with ExitStack() as stack, pytest.raises(ZeroDivisionError):
        compare(find_server("fakeredis://", stack), lambda *_sides: None)


def test_rate_is_that_of_the_median_round() -> None:
    """One slow round changes nothing."""
    assert Result((1.0, 2.0, 60.0), 4).rate == COMMANDS / 2
