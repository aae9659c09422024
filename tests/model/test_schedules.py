"""Every switch of threads that could matter: what a pool promises holds in each schedule tried.

`Dice` runs a scenario under many random schedules. A failure names its seed, and
`REDIS_POOL_EXT_SEED=<seed>` repeats that run alone. `ways` runs a tiny scenario under every
schedule that has at most so many forced switches.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterable
from typing import Any

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.books.records import Waiter

from ..support.stub import StubConnection
from .planted import PLANTED
from .play import Play
from .scenarios import SCENARIOS, Scenario, named
from .scheduler import Decider, Dice, Scheduler, Strike, in_charge, ways
from .tiny import TINY

LONG = bool(os.environ.get("REDIS_POOL_EXT_LONG"))
SEED = os.environ.get("REDIS_POOL_EXT_SEED")

pytestmark = pytest.mark.timeout(3600 if LONG else 60)


@pytest.fixture(autouse=True)
def repeatable():
    """No garbage collector, which runs when it likes; and the package's own dice are loaded."""
    state = random.getstate()
    gc.disable()
    yield
    gc.enable()
    random.setstate(state)


def seeds(few: int, many: int) -> Iterable[int]:
    """Return the seeds to try: one, few or many."""
    return [int(SEED)] if SEED else range(many if LONG else few)


def run(
    scenario: Scenario,
    decide: Decider,
    seed: int = 0,
    *,
    finely: bool = True,
    every_line: bool = False,
) -> Play:
    """Run a scenario once; `finely`: with the ledger's methods as switch points."""
    random.seed(seed)
    scheduler = Scheduler(decide, every_line=every_line)
    with in_charge(scheduler):
        play = scenario(scheduler, random.Random(seed))
        if finely:
            play.switch_in_ledger()
        scheduler.run(*play.tasks)
        play.look_at_end()
    return play


def run_all(scenario: Scenario, numbers: Iterable[int], **options: Any) -> None:
    for seed in numbers:
        try:
            run(scenario, Dice(seed), seed, **options)
        except BaseException as error:
            error.add_note(f"repeat with REDIS_POOL_EXT_SEED={seed}")
            raise


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_random_schedule_breaks_no_promise(scenario):
    """Threads switched at random, at each lock boundary and within what is locked."""
    run_all(scenario, seeds(30, 3000))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_switch_at_any_line_breaks_no_promise(scenario):
    """Threads switched at random, at each line of the package."""
    run_all(scenario, seeds(4, 400), every_line=True)


@pytest.mark.parametrize("scenario", TINY, ids=named)
def test_no_schedule_with_few_forced_switches_breaks_a_promise(scenario):
    """Each way in which two or three threads can meet at the lock, one after the other."""
    count = 0
    for way in ways(most=(3 if LONG else 2)):
        count += 1
        run(scenario, way, finely=False)

    assert count > 50


@pytest.mark.parametrize(
    ("plant", "scenario", "finding"), [pytest.param(*case, id=named(case[0])) for case in PLANTED]
)
def test_planted_bug_is_found(plant, scenario, finding, monkeypatch):
    """Within a few random schedules, and for the right reason."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_all(scenario, range(1000))


def test_caller_struck_on_its_way_back_to_the_queue_gives_back_nothing_twice(monkeypatch):
    """Its connection proved dead and was closed: it is not its gift any more."""
    pool = RedisPool(StubConnection, max_connections=1, housekeeping_interval=None)
    pool.release(pool.get_connection())
    waiter = Waiter(60)
    dead = pool._retire(pool._queue(waiter))

    def struck(*_args: object) -> None:
        raise Strike

    monkeypatch.setattr(pool, "_join_queue", struck)
    with pytest.raises(Strike):
        pool._queue(waiter, dead)

    assert pool.stats().double_releases == 0
