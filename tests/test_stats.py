"""The pool's numbers: counting them, and the snapshot that shows them."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from redis_pool_ext import PoolStats
from redis_pool_ext.books.records import Refusal
from redis_pool_ext.histogram import BOUNDS
from redis_pool_ext.stats import Counters, snapshot


def look(counters: Counters | None = None, tallies: Iterable[Any] = (), **sizes: Any) -> PoolStats:
    """Return a snapshot of a pool of two; what is not given is nought."""
    usual: dict[str, Any] = {
        "alias": "default",
        "max_connections": 2,
        "in_use": 0,
        "idle": 0,
        "connecting": 0,
        "waiting": 0,
        "generation": 0,
        "circuit": "closed",
        "is_closed": False,
        "is_paused": False,
    }
    return snapshot(counters or Counters(), tallies, **usual | sizes)


def test_wait_is_counted_with_its_sum_and_its_worst():
    """Every caller who stood in the queue counts, served or not."""
    counters = Counters()
    for seconds in (0.25, 1.0, 0.5):
        counters.add_wait(seconds)

    stats = look(counters)
    assert (stats.waited, stats.wait_seconds, stats.wait_seconds_max) == (3, 1.75, 1.0)


def test_no_more_came_back_than_were_taken():
    """Also where a connection is taken and comes back in the middle of the look."""

    class Busy:
        """A tally that counts one more borrower whenever it was looked at."""

        def __init__(self) -> None:
            self.counted = 0

        def __getattr__(self, name: str) -> Any:
            self.counted += 1
            is_by_size = name in {"holds", "waits"}
            return [self.counted, *[0] * len(BOUNDS)] if is_by_size else self.counted

    stats = look(tallies=[Busy()])
    assert stats.released <= stats.acquired


@pytest.mark.parametrize("refusal", Refusal)
def test_refusal_is_counted_under_its_name(refusal: Refusal):
    """Each reason to refuse a caller has a counter of the same name."""
    counters = Counters()
    counters.add_end(refusal.value)

    assert look(counters).as_dict()[refusal.value] == 1


def test_discards_are_counted_by_reason():
    """Whoever reads the numbers sees why connections were closed."""
    counters = Counters()
    for reason in ("stale", "dirty", "stale"):
        counters.add_discard(reason)

    assert look(counters).discarded == {"stale": 2, "dirty": 1}


def test_snapshot_does_not_follow_the_counters():
    """A look at one moment stays that look."""
    counters = Counters()
    stats = look(counters)
    counters.add_discard("stale")
    counters.acquired += 1

    assert (stats.acquired, stats.discarded) == (0, {})


def test_snapshot_cannot_be_changed():
    """Neither its numbers nor the mapping inside."""
    stats = look()

    with pytest.raises(FrozenInstanceError):
        stats.in_use = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        stats.discarded["stale"] = 5  # type: ignore[index]


def test_snapshot_shows_every_counter():
    """No counter is forgotten on the way out."""
    assert {each.name for each in fields(Counters)} <= look().as_dict().keys()


@pytest.mark.parametrize(
    ("sizes", "summary"),
    [
        ({}, "in_use=0 idle=0 waiting=0 max=2"),
        ({"in_use": 2, "waiting": 9}, "in_use=2 idle=0 waiting=9 max=2"),
        ({"connecting": 1}, "in_use=0 idle=0 connecting=1 waiting=0 max=2"),
    ],
)
def test_summary_says_the_sizes(sizes: dict[str, int], summary: str):
    """Dials under way are named only when there are any."""
    assert look(**sizes).summary() == summary


def test_mean_hold_is_the_time_per_return():
    """Little's law needs it, and so does Retry-After."""
    holds = [4, *[0] * len(BOUNDS)]
    assert look(Counters(holds=holds, hold_seconds=2.0)).mean_hold_seconds == 0.5


def test_mean_hold_before_the_first_return_is_nought():
    """A fresh pool divides by nothing."""
    assert look().mean_hold_seconds == 0.0


def test_stats_become_json():
    """`as_dict` holds plain data only."""
    counters = Counters(discarded={"stale": 1})

    assert json.loads(json.dumps(look(counters).as_dict()))["discarded"] == {"stale": 1}


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda stats: pickle.loads(pickle.dumps(stats))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copied_stats_are_equal_and_still_frozen(again: Any):
    """An error carries them from one process to another."""
    stats = look(Counters(discarded={"stale": 1}), in_use=1)
    other = again(stats)

    assert other == stats
    with pytest.raises(TypeError):
        other.discarded["stale"] = 5
