"""Every switch of threads that could matter: what a pool promises holds in each schedule tried.

`Dice` runs a scenario under many random schedules. A failure names its seed, and
`REDIS_POOL_EXT_SEED=<seed>` repeats that run alone. `ways` runs a tiny scenario under every
schedule that has at most so many forced switches.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Iterable
from functools import partial
from threading import get_ident
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.ledger import Ledger
from redis_pool_ext.line import Line
from redis_pool_ext.priority import Priority
from redis_pool_ext.records import Waiter

from ..support.stub import StubConnection
from .play import Play
from .scheduler import Decider, Dice, Scheduler, Strike, in_charge, ways
from .watch import ServerFull

LONG = bool(os.environ.get("REDIS_POOL_EXT_LONG"))
SEED = os.environ.get("REDIS_POOL_EXT_SEED")

pytestmark = pytest.mark.timeout(3600 if LONG else 60)

PATIENCE = (0.0, 0.0005, 0.02, 0.06, 5.0)
HOLDS = (0.0, 0.001, 0.03)

# Sets the scene on a scheduler, with dice of its own.
Scenario = Callable[[Scheduler, random.Random], Play]


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


# -- scenarios ------------------------------------------------------------------------------


def add_users(play: Play, count: int = 3, rounds: int = 2, **options: Any) -> None:
    """Add tasks that borrow, each with patience and work to do of its own."""
    choice = play.dice.choice
    for _ in range(count):
        plan = [(choice(PATIENCE), choice(HOLDS)) for _ in range(rounds)]
        play.tasks.append(partial(use_all, play, plan, options))


def use_all(play: Play, plan: list[tuple[float, float]], options: dict[str, Any]) -> None:
    for patience, hold in plan:
        play.use(patience, hold, **options)


def add_steps(play: Play, *steps: Callable[[], object]) -> None:
    """Add a task that takes these steps, with a while before each."""

    def take_steps() -> None:
        for step in steps:
            play.scheduler.sleep(play.dice.choice(HOLDS))
            step()

    play.tasks.append(take_steps)


def more_users_than_connections(scheduler, dice):
    play = Play(scheduler, dice, max_connections=dice.choice((1, 2)))
    add_users(play, 4)
    return play


def queue_is_bounded(scheduler, dice):
    play = Play(scheduler, dice, max_connections=1, max_waiting=dice.choice((0, 1)))
    add_users(play, 4)
    return play


def some_go_first(scheduler, dice):
    reserved = dice.choice((None, {"high": 1}))
    waiting = dice.choice((None, 1))
    play = Play(scheduler, dice, max_connections=2, reserved=reserved, max_waiting=waiting)
    play.priorities = list(Priority)
    add_users(play, 4)
    return play


def too_many_come(scheduler, dice):
    """To a pool that sends some away for the sake of the others."""
    play = Play(
        scheduler,
        dice,
        max_connections=1,
        queue_discipline="codel",
        queue_target=0.001,
        queue_interval=0.01,
    )
    add_users(play, 4, rounds=3)
    return play


def pool_is_closed(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2, max_connecting=1)
    add_users(play)
    add_steps(play, partial(play.close, dice.choice((0.0, 0.5))))
    return play


def pool_is_drained(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2)
    add_users(play)
    add_steps(play, play.pool.drain, play.pool.drain)
    return play


def pool_is_resized(scheduler, dice):
    play = Play(scheduler, dice, max_connections=dice.choice((1, 3)))
    add_users(play, 4)
    sizes = [dice.choice((1, 2, 4)) for _ in range(3)]
    add_steps(play, *(partial(play.pool.resize, size) for size in sizes))
    return play


def pool_is_paused(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2)
    add_users(play)
    add_steps(play, *[play.pool.pause, play.pool.resume] * 2)
    return play


def dials_fail(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2, max_connecting=dice.choice((1, 2)))
    add_users(play, 4)
    errors = (
        redis.ConnectionError("no"),
        redis.AuthenticationError("no"),
        redis.TimeoutError("no"),
    )
    play.script += [dice.choice(errors) for _ in range(dice.randrange(1, 5))]
    return play


def server_is_full(scheduler, dice):
    play = Play(scheduler, dice, max_connections=3)
    add_users(play, 4)
    play.watch.server_is_full = True
    play.script += [lambda: None, *(ServerFull("max number of clients reached") for _ in range(3))]
    return play


def connections_die(scheduler, dice):
    play = Play(
        scheduler, dice, max_connections=3, max_connecting=1, max_waiting=dice.choice((None, 1))
    )
    with play.instant_dials():
        play.pool.warm_up(3)
    add_users(play, 4)

    def kill() -> None:
        for connection in list(play.pool._ledger.idle):
            connection.is_dead = True

    kill()
    add_steps(play, kill, kill)
    return play


def connections_come_back_dirty(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2, max_connecting=1)

    def spoil(connection: Any) -> None:
        what = dice.choice(("reply owed", "closed", "nothing"))
        if what == "reply owed":
            connection.pending = 1
        elif what == "closed":
            connection.disconnect()

    add_users(play, 4, spoil=spoil)
    return play


def connections_are_dropped(scheduler, dice):
    play = Play(scheduler, dice, max_connections=2)
    add_users(play)
    play.tasks.append(partial(play.drop, 5.0))
    return play


def connections_age(scheduler, dice):
    play = Play(
        scheduler, dice, max_connections=3, min_idle=dice.choice((0, 2)), max_idle=2,
        idle_timeout=0.01, max_lifetime=0.05,
    )  # fmt: skip
    add_users(play, 3, rounds=3)
    add_steps(play, play.pool.keep_house, partial(play.pool.warm_up, 2), play.pool.keep_house)
    return play


def borrowers_are_struck(scheduler, dice):
    play = Play(scheduler, dice, max_connections=1)
    add_users(play)
    add_strikes(play, 3)
    return play


def borrowers_of_dead_connections_are_struck(scheduler, dice):
    play = connections_die(scheduler, dice)
    add_strikes(play, 4)
    return play


def borrowers_are_struck_anywhere(scheduler, dice):
    """Between any two uses of the lock; what strikes a return costs a connection, not a slot."""
    play = connections_die(scheduler, dice)
    play.is_exact = False
    add_strikes(play, 4, anywhere=True)
    return play


def add_strikes(play: Play, borrowers: int, *, anywhere: bool = False) -> None:
    """Add a task that interrupts the first tasks, where they queue, dial or work."""

    def strike() -> None:
        tasks = [task for task in play.scheduler.tasks[:borrowers] if task.is_asleep or anywhere]
        if tasks:
            play.scheduler.strike(play.dice.choice(tasks))

    add_steps(play, *[strike] * 4)


SCENARIOS = [
    borrowers_are_struck,
    borrowers_are_struck_anywhere,
    borrowers_of_dead_connections_are_struck,
    connections_age,
    connections_are_dropped,
    connections_come_back_dirty,
    connections_die,
    dials_fail,
    more_users_than_connections,
    some_go_first,
    too_many_come,
    pool_is_closed,
    pool_is_drained,
    pool_is_paused,
    pool_is_resized,
    queue_is_bounded,
    server_is_full,
]


def named(scenario: Scenario) -> str:
    return scenario.__name__


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_random_schedule_breaks_no_promise(scenario):
    """Threads switched at random, at each lock boundary and within what is locked."""
    run_all(scenario, seeds(30, 3000))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_switch_at_any_line_breaks_no_promise(scenario):
    """Threads switched at random, at each line of the package."""
    run_all(scenario, seeds(4, 400), every_line=True)


# -- every schedule of a tiny scenario --------------------------------------------------------


def tiny(scheduler: Scheduler, *tasks: Callable[[Play], object], **settings: Any) -> Play:
    """A pool of one whose connection is there already."""
    play = Play(scheduler, random.Random(0), max_connections=1, **settings)
    play.dial_times = [0.0]
    play.pool.warm_up(1)
    play.tasks = [partial(task, play) for task in tasks]
    return play


def patient(play: Play) -> None:
    play.use(5.0, 0.0)


def impatient(play: Play) -> None:
    play.use(0.02, 0.0)


def two_share_one(scheduler, _dice):
    return tiny(scheduler, patient, patient)


def one_gives_up(scheduler, _dice):
    return tiny(scheduler, patient, impatient)


def one_closes(scheduler, _dice):
    return tiny(scheduler, patient, patient, lambda play: play.close())


def one_drains(scheduler, _dice):
    return tiny(scheduler, patient, patient, lambda play: play.pool.drain())


def one_grows(scheduler, _dice):
    return tiny(scheduler, patient, patient, lambda play: play.pool.resize(2))


def one_drops(scheduler, _dice):
    return tiny(scheduler, patient, lambda play: play.drop(5.0))


def one_dial_fails(scheduler, _dice):
    play = tiny(scheduler, patient, patient)
    play.pool.drain()
    play.script.append(redis.ConnectionError("no"))
    return play


TINY = [
    one_closes,
    one_dial_fails,
    one_drains,
    one_drops,
    one_gives_up,
    one_grows,
    two_share_one,
]


@pytest.mark.parametrize("scenario", TINY, ids=named)
def test_no_schedule_with_few_forced_switches_breaks_a_promise(scenario):
    """Each way in which two or three threads can meet at the lock, one after the other."""
    count = 0
    for way in ways(most=(3 if LONG else 2)):
        count += 1
        run(scenario, way, finely=False)

    assert count > 50


# -- bugs that are known from other pools, planted in this one --------------------------------


def expired_one_is_served(monkeypatch):
    serve = Ledger.serve
    monkeypatch.setattr(Ledger, "serve", lambda self, _now: serve(self, 0.0))


def newest_is_served_first(monkeypatch):
    serve = Ledger.serve

    def unfair(self: Ledger, now: float) -> None:
        if self.queue:
            lane = self.queue.lanes[Priority.NORMAL]
            lane.move_to_end(next(reversed(lane)), last=False)
        serve(self, now)

    monkeypatch.setattr(Ledger, "serve", unfair)


def newcomer_dials_past_the_queue(monkeypatch):
    get = RedisPool.get_connection

    def barge(self: RedisPool, **terms: Any) -> Any:
        with self._lock:
            stats = Ledger.stats(self._ledger)
            is_free = stats.in_use + stats.idle + stats.connecting < stats.max_connections
            slot = self._ledger.open_slot(0.0) if is_free else None
        return self._dial(slot, terms["deadline"]) if slot is not None else get(self, **terms)

    monkeypatch.setattr(RedisPool, "get_connection", barge)


def newcomer_takes_what_the_queue_waits_for(monkeypatch):
    """It does not look at the queue before it takes what was just put back."""
    get = RedisPool.get_connection

    def barge(self: RedisPool, **terms: Any) -> Any:
        return self._ledger.take_idle(0.0) or get(self, **terms)

    monkeypatch.setattr(RedisPool, "get_connection", barge)


def return_wakes_nobody(monkeypatch):
    monkeypatch.setattr(RedisPool, "_hand_over", lambda _self, _connection: None)


def return_looks_at_the_queue_first(monkeypatch):
    """Who queues up after that look, and before the connection is there, waits in vain."""
    release, hand_over = RedisPool.release, RedisPool._hand_over
    saw_nobody: set[int] = set()

    def look_first(self: RedisPool, connection: Any) -> None:
        if not self._ledger.queue:
            saw_nobody.add(get_ident())
        try:
            release(self, connection)
        finally:
            saw_nobody.discard(get_ident())

    def hand_over_late(self: RedisPool, connection: Any) -> None:
        if get_ident() not in saw_nobody:
            hand_over(self, connection)

    monkeypatch.setattr(RedisPool, "release", look_first)
    monkeypatch.setattr(RedisPool, "_hand_over", hand_over_late)


def freed_slot_wakes_nobody(monkeypatch):
    close_slot = Ledger.close_slot

    def free(self: RedisPool, slot: Any, reason: str | None = None, end: str | None = None) -> None:
        with self._lock:
            close_slot(self._ledger, slot)
            if end is not None:
                self._ledger.counters.add_end(end)

    monkeypatch.setattr(RedisPool, "_free", free)


def gift_is_not_announced(monkeypatch):
    monkeypatch.setattr(Line, "dismiss", Line.leave)


def gift_of_the_last_moment_is_lost(monkeypatch):
    wait = RedisPool._wait

    def forget(self: RedisPool, waiter: Waiter, deadline: Deadline, began: float) -> None:
        wait(self, waiter, deadline, began)
        if not deadline.remaining():
            waiter.gift = None

    monkeypatch.setattr(RedisPool, "_wait", forget)


def struck_waiter_keeps_its_gift(monkeypatch):
    def walk_away(self: RedisPool, waiter: Waiter) -> None:
        self._leave_queue(waiter)
        self._count_end("cancelled")

    monkeypatch.setattr(RedisPool, "_walk_away", walk_away)


def connection_is_lent_and_kept(monkeypatch):
    get = RedisPool.get_connection

    def lend(self: RedisPool, **terms: Any) -> Any:
        connection = get(self, **terms)
        self._ledger.idle.append(connection)
        return connection

    monkeypatch.setattr(RedisPool, "get_connection", lend)


def pool_dials_one_too_many(monkeypatch):
    may_connect = Ledger.may_connect

    def generous(self: Ledger, now: float) -> bool:
        self.max_connections += 1
        try:
            return may_connect(self, now)
        finally:
            self.max_connections -= 1

    monkeypatch.setattr(Ledger, "may_connect", generous)


def close_forgets_who_waits(monkeypatch):
    monkeypatch.setattr(Ledger, "refuse_all", lambda _self, _refusal: None)


def pause_is_for_the_queue_only(monkeypatch):
    get = RedisPool.get_connection

    def barge(self: RedisPool, **terms: Any) -> Any:
        return self._ledger.take_idle(0.0) or get(self, **terms)

    monkeypatch.setattr(RedisPool, "get_connection", barge)


PLANTED = [
    (expired_one_is_served, more_users_than_connections, "expired"),
    (newest_is_served_first, more_users_than_connections, "overtaken: the queue"),
    (newcomer_dials_past_the_queue, connections_come_back_dirty, "did not queue|a storm"),
    (newcomer_takes_what_the_queue_waits_for, more_users_than_connections, "did not queue"),
    (return_wakes_nobody, more_users_than_connections, "are idle"),
    (return_looks_at_the_queue_first, more_users_than_connections, "are idle"),
    (freed_slot_wakes_nobody, dials_fail, "nobody dials"),
    (gift_is_not_announced, more_users_than_connections, "not woken"),
    (gift_of_the_last_moment_is_lost, more_users_than_connections, "lost"),
    (struck_waiter_keeps_its_gift, borrowers_are_struck, "lost"),
    (connection_is_lent_and_kept, more_users_than_connections, "to two|below 0|over max|are idle"),
    (pool_dials_one_too_many, more_users_than_connections, "over max"),
    (close_forgets_who_waits, pool_is_closed, "waits for a closed pool"),
    (pause_is_for_the_queue_only, pool_is_paused, "lent while paused|did not queue"),
]


@pytest.mark.parametrize(
    ("plant", "scenario", "finding"), [pytest.param(*case, id=named(case[0])) for case in PLANTED]
)
def test_planted_bug_is_found(plant, scenario, finding, monkeypatch):
    """Within a few random schedules, and for the right reason."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_all(scenario, range(1000))


# -- what the schedules have found --------------------------------------------------------------


def test_caller_struck_on_its_way_back_to_the_queue_gives_back_nothing_twice(monkeypatch):
    """Its connection proved dead and was closed: it is not its gift any more."""
    pool = RedisPool(StubConnection, max_connections=1, housekeeping_interval=None)
    pool.release(pool.get_connection())
    deadline = Deadline(60)
    waiter = Waiter(deadline.at)
    dead = pool._retire(pool._queue(waiter, deadline))

    def struck(*_args: object) -> None:
        raise Strike

    monkeypatch.setattr(pool, "_join_queue", struck)
    with pytest.raises(Strike):
        pool._queue(waiter, deadline, dead)

    assert pool.stats().double_releases == 0
