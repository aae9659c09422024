"""What happens to a pool: scenarios for a scheduler, each with dice of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import redis

from redis_pool_ext.pooling.waiting import GLANCE
from redis_pool_ext.priority import Priority

from .play import Play
from .scheduler import Scheduler
from .watch import ServerFull

PATIENCE = (0.0, 0.0005, 0.02, 0.06, 5.0)
HOLDS = (0.0, 0.001, 0.03)

# Sets the scene on a scheduler, with dice of its own.
Scenario = Callable[[Scheduler, random.Random], Play]


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
    """Between any two uses of the lock; what strikes a return costs a connection, not a slot.

    Or it costs the time until a waiter looks by itself, with the connection on the shelf.
    """
    play = connections_die(scheduler, dice)
    play.is_exact = False
    play.watch.may_idle_for = GLANCE
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
