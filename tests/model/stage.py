"""A pool played step by step, each step a short line of words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from redis_pool_ext import ConfigError, RedisPoolError
from redis_pool_ext.deadline import Deadline

from .play import Play
from .scheduler import Scheduler, in_charge


@dataclass(frozen=True)
class Case:
    """What is shown, the pool's settings, the steps; and where another pool does otherwise."""

    name: str
    settings: dict[str, Any]
    steps: tuple[str, ...]
    differs: str = ""


def plain(_options: int, *, can_stay: bool, can_wait: bool) -> int:
    """Decide for the first option: each task goes on until it waits."""
    return 0


class Stage:
    """Borrowers by name, a server whose dials hang or fail when told to, and a clock."""

    def __init__(self, **settings: Any) -> None:
        self._scheduler = Scheduler(plain)
        self._play = Play(self._scheduler, random.Random(0), **settings)
        self.pool = self._play.pool
        self.pool.connection_kwargs["dial"] = self._dial
        self._dials = "go on"
        self._held: dict[str, Any] = {}
        self._had: dict[str, Any] = {}  # also after it was given back
        self._numbers: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._served: list[str] = []

    @classmethod
    def play(cls, case: Case) -> None:
        """Do each step, and check what is expected after it."""
        stage = cls(**case.settings)
        with in_charge(stage._scheduler):
            for step in case.steps:
                try:
                    stage._do(step)
                except BaseException as error:
                    error.add_note(f"at the step: {step}")
                    raise

    def _do(self, step: str) -> None:
        for pattern, method in STEPS.items():
            match = re.fullmatch(pattern, step)
            if match:
                method(self, *match.groups())
                self._scheduler.settle()
                return
        raise LookupError(f"no such step: {step}")

    def _dial(self) -> None:
        self._scheduler.wait(lambda: self._dials != "hang", 60)
        if self._dials == "fail":
            raise redis.ConnectionError("refused")

    # -- what is done -----------------------------------------------------------------------

    def take(self, name: str, timeout: str | None) -> None:
        def task() -> None:
            self._play.watch.begin()
            try:
                connection = self.pool.get_connection(deadline=Deadline(float(timeout or 5)))
            except RedisPoolError as error:
                self._refused[name] = type(error).__name__
                return
            self._held[name] = self._had[name] = connection
            self._numbers[name] = connection.slot.key
            self._served.append(name)

        self._scheduler.spawn(task)

    def give_back(self, name: str, how: str | None) -> None:
        connection = self._held.pop(name)
        if how == "broken":
            connection.broken = True
            connection.disconnect()
        elif how == "dirty":
            connection.pending = 1
        self._scheduler.spawn(self.pool.release, connection)

    def give_back_again(self, name: str) -> None:
        try:
            self.pool.release(self._had[name])
        except redis.RedisError as error:
            self._refused[name] = type(error).__name__

    def call(self, name: str, argument: str | None) -> None:
        def task() -> None:
            try:
                getattr(self.pool, name)(*([int(argument)] if argument else []))
            except (ConfigError, RedisPoolError) as error:
                self._refused[name] = type(error).__name__

        self._scheduler.spawn(task)

    def set_dials(self, how: str) -> None:
        self._dials = how

    def pass_time(self, seconds: str) -> None:
        self._scheduler.advance(float(seconds))

    def kill(self) -> None:
        for connection in self.pool._ledger.idle:
            connection.is_dead = True

    # -- what is expected ---------------------------------------------------------------------

    def expect_sizes(self, sizes: str) -> None:
        stats = self.pool.stats()
        expected = dict(part.split("=") for part in sizes.split())
        assert {name: str(getattr(stats, name)) for name in expected} == expected

    def expect_held(self, names: str) -> None:
        assert sorted(self._held) == sorted(names.split())

    def expect_served(self, names: str) -> None:
        assert self._served == names.split()

    def expect_refused(self, name: str, error: str) -> None:
        assert self._refused.get(name) == error

    def expect_same(self, one: str, other: str) -> None:
        assert self._had[one] is self._had[other]

    def expect_other(self, one: str, other: str) -> None:
        assert self._had[one] is not self._had[other]

    def expect_numbers(self, one: str, other: str) -> None:
        assert self._numbers[one] < self._numbers[other]

    def expect_discarded(self, reasons: str) -> None:
        expected = dict(part.split("=") for part in reasons.split() if part != "none")
        discarded = self.pool.stats().discarded
        assert {reason.replace(" ", "_"): str(n) for reason, n in discarded.items()} == expected

    def expect_sockets(self, number: str) -> None:
        assert len(self._play.sockets) == int(number)


STEPS: dict[str, Callable[..., None]] = {
    r"(\w+) takes(?: within (\S+))?": Stage.take,
    r"(\w+) gives back(?: (broken|dirty))?": Stage.give_back,
    r"(\w+) gives back again": Stage.give_back_again,
    r"(drain|close|pause|resume|warm_up|resize|keep_house)(?: (\d+))?": Stage.call,
    r"dials (hang|go on|fail)": Stage.set_dials,
    r"(\S+) s pass": Stage.pass_time,
    r"idle ones die": Stage.kill,
    r"-> ((?:\w+=\w+ ?)+)": Stage.expect_sizes,
    r"-> held by (.*)": Stage.expect_held,
    r"-> served in order: (.*)": Stage.expect_served,
    r"-> (\w+) is told (\w+)": Stage.expect_refused,
    r"-> (\w+) has what (\w+) had": Stage.expect_same,
    r"-> (\w+) has another one than (\w+)": Stage.expect_other,
    r"-> (\w+) is numbered before (\w+)": Stage.expect_numbers,
    r"-> discarded: (.*)": Stage.expect_discarded,
    r"-> (\d+) open sockets": Stage.expect_sockets,
}
