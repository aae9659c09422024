"""Keeping a pool in shape where that takes dials: filling it up, round by round."""

from __future__ import annotations

import asyncio
import logging
import weakref
from contextlib import suppress
from time import monotonic

import redis

from ..books.circuit import HEAD_START
from ..books.records import Slot
from ..deadline import Deadline
from ..pooling.looking import Looking
from ..pooling.trust import ANSWER_WITHIN
from ..pooling.upkeep import LOOK_FOR, Upkeep
from .connection import GuardedAsyncConnection
from .dialling import AsyncDialling
from .liveness import answers, is_alive

__all__ = ["AsyncKeeping"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")


class AsyncKeeping(AsyncDialling, Upkeep, Looking):
    """The part of the pool that keeps it filled."""

    _next_round: asyncio.TimerHandle | None = None
    _round: asyncio.Task[None] | None = None  # a loop holds its tasks weakly

    async def keep_house(self) -> None:
        """Do one round: close what is too old, fill up to `min_idle`, report leaks.

        With Sentinels, also ask where the master is. While the server is down, dial if that
        is due, so that no caller has to. A timer of the loop does this every
        `housekeeping_interval` seconds.
        """
        self._begin_round()
        with suppress(redis.RedisError, OSError):  # the next caller is told, or the next round
            await self._probe_if_due()
            await self._look_for_server()
            await self._fill(self.min_idle, self._time_to_fill())

    async def _probe_if_due(self) -> None:
        slot = self._slot_to_probe()
        if slot is not None:
            self._take_in(await self._make_or_free(slot, self._time_to_fill()), slot)

    def _will_probe(self, seconds: float) -> bool:
        if self.housekeeping_interval is None:
            return False
        if self._round is None:  # else it sees to the next one as it ends
            if self._next_round is not None:
                self._next_round.cancel()
                self._next_round = None
            self._go_round_later(asyncio.get_running_loop(), within=max(seconds, 0.0))
        return True

    async def _look_for_server(self) -> None:
        known = self._ledger.server
        if known is not None:
            ask, deadline = self.connection_class.whereabouts, Deadline(LOOK_FOR)
            self._settle_at(await ask(self.connection_kwargs, known, deadline), instead_of=known)

    async def warm_up(self, count: int | None = None, timeout: float | None = None) -> int:
        """Dial until `count` connections are idle; return how many are.

        For a server's start, in its event loop: `count` is `min_idle` if not given. Raises
        what a dial raises, so that a wrong address or password is known before the first
        request; stops after `timeout` seconds (the pool's if not given, but one at least).
        """
        wanted = self._wanted(count)
        await self._fill(wanted, self._time_to_fill() if timeout is None else Deadline(timeout))
        return self.stats().idle

    async def probe(self, timeout: float) -> bool:
        """Have the server answer, within `timeout` seconds; False if there is nothing to ask it on.

        That is an idle connection, else one that is dialled where there is room, and stays.
        Never waits in the queue, overtakes nobody, and counts as no request. Raises
        what a dial raises, so `PoolUnavailableError` where the server cannot be reached.
        """
        deadline = Deadline(timeout)
        self._notice_fork()
        while (connection := self._take_to_ask()) is not None:
            if await self._has_answered(connection, deadline):
                return True
        slot = self._slot_to_fill(self.max_connections)
        if slot is None:
            return False
        self._take_in(await self._make_or_free(slot, deadline), slot)
        return True

    async def _has_answered(self, connection: GuardedAsyncConnection, deadline: Deadline) -> bool:
        """Ask on a connection that was idle; one that does not answer is closed."""
        slot = connection.slot
        assert slot is not None
        patience = min(deadline.remaining() / 2, ANSWER_WITHIN)
        try:
            answered = await is_alive(connection) and await answers(connection, Deadline(patience))
        except BaseException:  # cancelled in the middle of it
            self._discard(connection, "stale")
            raise
        if answered:
            self._take_asked(connection, slot)
            return True
        self._discard(connection, "stale")
        self._speaks_for_others(slot.idle_since, patience)
        return False

    async def _make(self, slot: Slot, deadline: Deadline) -> GuardedAsyncConnection:
        """Make a connection; the rounds begin with the first one, the observer's looks before."""
        self._observe()
        connection = await super()._make(slot, deadline)
        self._go_round_later(asyncio.get_running_loop())
        return connection

    async def _fill(self, wanted: int, deadline: Deadline) -> None:
        """Dial one connection after the other, until enough are idle."""
        while (slot := self._slot_to_fill(wanted)) is not None:
            if deadline.remaining() == 0.0:
                self._free(slot)
                return
            self._take_in(await self._make_or_free(slot, deadline), slot)

    async def _make_or_free(self, slot: Slot, deadline: Deadline) -> GuardedAsyncConnection:
        try:
            return await self._make(slot, deadline)
        except BaseException:
            self._free(slot)
            raise

    def _go_round_later(
        self, loop: asyncio.AbstractEventLoop, *, within: float | None = None
    ) -> None:
        """See that there is a next round, if there are to be any: so soon, or when it is time."""
        interval = self.round_every
        if interval is not None and self._next_round is None:
            delay = interval if within is None else min(within, interval)
            # Weak: the timer keeps no pool alive.
            pool: weakref.ref[AsyncKeeping] = weakref.ref(self)
            self._next_round = loop.call_later(delay, _go_round, pool, loop)

    async def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self.keep_house()
        except Exception:
            logger.exception("%s: housekeeping failed", self.alias)
        finally:
            self._next_round = self._round = None
        self._go_round_later(loop, within=self._next_probe_in())

    def _next_probe_in(self) -> float | None:
        """Return the seconds until the next probe that callers leave to the rounds, if any."""
        circuit = self._ledger.circuit
        if not (circuit.is_open and circuit.is_promised):
            return None
        seconds = circuit.next_probe - monotonic()
        return seconds if seconds > 0.0 else HEAD_START  # a caller is at it


def _go_round(ref: weakref.ref[AsyncKeeping], loop: asyncio.AbstractEventLoop) -> None:
    pool = ref()
    if pool is not None and not pool.is_closed:
        pool._round = loop.create_task(pool._go_round(loop))
