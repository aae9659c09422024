"""Slots: none is lost, whatever becomes of the connection.

The twin of tests/pool/test_slots.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import PoolUnavailableError

from ..pools import stub_pool
from ..tasks import start, wait_until


class TestSlots:
    """No slot is lost, whatever becomes of the connection."""

    async def test_dropped_connection_frees_its_slot(self):
        """A borrower that forgets to release loses nothing for the pool."""
        pool = stub_pool(1)
        connection = await pool.get_connection()
        del connection
        gc.collect()

        assert pool.stats().in_use == 0
        assert pool.stats().discarded == {"lost": 1}
        assert await pool.get_connection()

    async def test_connection_that_a_finalizer_brings_back_is_lost_and_closed(self):
        """Collected in a cycle with its holder, who releases it: no mistake of anybody's."""

        class Holder:
            def __init__(self) -> None:
                self.connection = connections.pop()
                self.itself = self

            def __del__(self) -> None:
                pool.take_back(self.connection)
                released.append(self.connection)

        pool = stub_pool(1)
        released: list[Any] = []
        connections = [await pool.get_connection()]
        Holder()
        gc.collect()

        assert not released[0].is_connected
        assert pool.stats().discarded == {"lost": 1}
        assert (pool.stats().double_releases, pool.stats().in_use) == (0, 0)

    async def test_any_number_can_come_back_while_the_books_are_in_use(self):
        """A finalizer under the pool's lock leaves them; hundreds of them take no deep stack."""
        pool = stub_pool(500)
        for connection in [await pool.get_connection() for _ in range(500)]:
            with pool._lock:
                await pool.release(connection)

        assert pool.stats().idle == 500

    async def test_dropped_connection_wakes_the_waiter(self):
        """The slot of a forgotten connection goes to the one who waits."""
        pool = stub_pool(1)
        kept = [await pool.get_connection()]
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        kept.clear()

        assert await waiter

    async def test_failed_dial_frees_its_slot(self):
        """A server that refuses costs an error, not a slot."""
        pool = stub_pool(1, script=[redis.ConnectionError("refused")])

        with pytest.raises(PoolUnavailableError) as caught:
            await pool.get_connection()
        assert str(caught.value.__cause__) == "refused"
        assert await pool.get_connection()
        assert pool.stats().create_failures == 1

    async def test_failed_dial_passes_its_slot_to_the_waiter(self):
        """Whoever waits behind a dial that fails may dial in its place."""
        gate = asyncio.Event()

        async def fail() -> None:
            await gate.wait()
            raise redis.ConnectionError("refused")

        pool = stub_pool(1, script=[fail])
        first = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        second = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        gate.set()

        with pytest.raises(PoolUnavailableError):
            await first
        assert await second

    async def test_bad_connection_argument_frees_its_slot(self):
        """A typo in an argument stays a TypeError, each time, and costs no slot."""
        pool = stub_pool(1, bogus=1)
        for _ in range(3):
            with pytest.raises(TypeError, match="bogus"):
                await pool.get_connection()

        assert pool.stats().in_use + pool.stats().connecting == 0

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
    async def test_base_exception_in_a_dial_frees_its_slot(self, error):
        """What is no Exception is cleaned up after as well, and passed on as it is."""
        pool = stub_pool(1, script=[error()])
        with pytest.raises(error):
            await pool.get_connection()

        assert await pool.get_connection()

    async def test_wrong_password_is_not_an_outage(self):
        """A refused password is the configuration's fault: no 503, no open circuit."""
        errors = [redis.AuthenticationError("WRONGPASS") for _ in range(5)]
        pool = stub_pool(1, script=errors)
        for _ in range(5):
            with pytest.raises(redis.AuthenticationError):
                await pool.get_connection()

        assert pool.stats().circuit == "closed"
