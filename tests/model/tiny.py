"""Scenarios so small that every schedule of them can be tried."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import redis

from .play import Play
from .scheduler import Scheduler


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
