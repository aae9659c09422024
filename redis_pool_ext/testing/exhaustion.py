"""`exhausted_pool`: somebody else has every connection, and keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from ..books.records import HELD, Slot
from ..config import check_pool_arguments
from ..pooling.base import PoolBase
from .blocks import block
from .chosen import each_pool

__all__ = ["exhausted_pool"]

HOLDER = "exhausted_pool() of a test"


@block
def exhausted_pool(alias: str = "default", *, timeout: float | None = 0.0) -> Iterator[None]:
    """Have every connection of `alias` taken, in all pools of that name in this process.

    The next caller gets `ConnectionPoolTimeoutError` after `timeout` seconds: at once by
    default, so that a test need not wait; None leaves it at the pool's own TIMEOUT. Places
    without a connection are taken in the pool's books, and not dialled: no server is needed.
    A connection that its holder gives back meanwhile is free. At the end all are given back,
    first to those who wait.
    """
    if timeout is not None:
        check_pool_arguments(timeout=timeout)
    taken: list[_Taken] = []
    with each_pool(alias, lambda pool: taken.append(_Taken(pool, timeout)), "exhausted_pool"):
        try:
            yield
        finally:
            for each in reversed(taken):
                each.give_back()


class _Taken:
    """All places of one pool that were not in use."""

    def __init__(self, pool: PoolBase, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = pool.timeout
        self._ledger = ledger = pool._ledger
        self._idle: list[Any] = []
        self._places: list[Slot] = []
        with pool._lock:
            with suppress(IndexError):
                while True:
                    self._idle.append(ledger.idle.pop())
            for connection in self._idle:
                self._hold(connection.slot)
            while ledger.has_room:
                self._places.append(self._hold(ledger.open_slot(monotonic())))
        if timeout is not None:
            pool.timeout = timeout

    def _hold(self, slot: Slot) -> Slot:
        """Have it in use; but nobody has asked for it, so it counts as no request."""
        self._ledger.not_connecting(slot.key)
        slot.taken_at = monotonic()
        slot.state, slot.holder = HELD, HOLDER
        return slot

    def give_back(self) -> None:
        pool = self._pool
        pool.timeout = self._timeout
        if pool._ledger is not self._ledger:
            return  # its event loop has ended, or this is a fork's child: it has begun anew
        acts = [partial(pool._free, slot) for slot in self._places]
        acts += [partial(self._keep, connection) for connection in self._idle]
        for act in acts:
            pool._at_home(act)

    def _keep(self, connection: Any) -> None:
        self._pool._take_in(connection, connection.slot, connection.dirt())
