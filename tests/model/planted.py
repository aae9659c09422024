"""Bugs that are known from other pools, to be planted in this one."""

from __future__ import annotations

from threading import get_ident
from typing import Any

from redis_pool_ext import RedisPool
from redis_pool_ext.books.ledger import Ledger
from redis_pool_ext.books.line import Line
from redis_pool_ext.books.records import Waiter
from redis_pool_ext.priority import Priority

from .scenarios import (
    borrowers_are_struck,
    connections_come_back_dirty,
    dials_fail,
    more_users_than_connections,
    pool_is_closed,
    pool_is_paused,
)


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

    def forget(self: RedisPool, waiter: Waiter, began: float) -> None:
        wait(self, waiter, began)
        if not waiter.remaining():
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
