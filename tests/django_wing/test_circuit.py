"""Redis is down: what the visitors of a Django project are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from django.test import AsyncClient, Client

from redis_pool_ext import AsyncRedisPool, RedisPoolError, get_async_pool, get_pool
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.observing import Observer, add_observer, remove_observer

from ..support.leases import look_after
from ..support.outages import (
    GROWN_AFTER,
    LONGEST_PAUSE,
    TIMEOUT,
    CircuitContract,
    OutageCase,
    Site,
)
from ..support.proxy import FaultyProxy
from ..support.server import Server
from .asgi import until
from .project import urls_outage


@pytest.fixture(autouse=True)
def _project(settings: Any, proxy: FaultyProxy) -> Iterator[None]:
    """A pool of four through the proxy."""
    settings.ROOT_URLCONF = urls_outage.__name__
    settings.REDIS_POOLS = {"default": {"URL": proxy.url, "TIMEOUT": TIMEOUT, "MAX_CONNECTIONS": 4}}
    yield
    urls_outage.between.clear()
    urls_outage.abetween.clear()


def ask(path: str) -> tuple[int, str | None]:
    response = Client(raise_request_exception=False).get(path)
    return response.status_code, response.headers.get("Retry-After")


class TestCircuit(CircuitContract):
    """The contract, in sync views."""

    @pytest.fixture
    def site(self) -> Site:
        return Site(get_pool(), lambda: ask("/once/"), lambda: ask("/twice/"), urls_outage.between)


async def status(path: str = "/aonce/") -> int:
    return (await AsyncClient(raise_request_exception=False).get(path)).status_code


def pool_of_loop(*, keeps_house: bool) -> AsyncRedisPool:
    pool = get_async_pool()
    if not keeps_house:
        pool.housekeeping_interval = None
    return pool


def probe_is_due(pool: AsyncRedisPool, *, is_due: bool = True) -> None:
    pool._ledger.circuit.next_probe = monotonic() + (0.0 if is_due else 3600.0)


class Rounds(Observer):
    """Notes of each dial in vain whether it was one of the pool's rounds."""

    def __init__(self) -> None:
        self.failed: list[bool] = []

    def not_made(self, pool: Any) -> None:
        self.failed.append(asyncio.current_task() is pool._round)


async def open_circuit(*, keeps_house: bool) -> AsyncRedisPool:
    pool = pool_of_loop(keeps_house=keeps_house)
    while pool.stats().circuit == "closed":
        assert await status() == 503
    return pool


class TestCircuitOfCoroutines(OutageCase):
    """The same in async views, whose pool is the loop's."""

    @pytest.fixture
    def rounds(self) -> Iterator[Rounds]:
        rounds = Rounds()
        add_observer(rounds)
        yield rounds
        remove_observer(rounds)

    def test_open_circuit_answers_503_and_dials_nothing(self, proxy: FaultyProxy) -> None:
        """However many come."""
        proxy.refuse()

        async def main() -> None:
            pool = await open_circuit(keeps_house=False)
            probe_is_due(pool, is_due=False)
            assert {await status() for _ in range(20)} == {503}
            assert pool.stats().create_failures == FAILURES_TO_OPEN

        asyncio.run(main())

    def test_of_twenty_at_the_probe_one_dials_and_the_others_are_answered(
        self, proxy: FaultyProxy
    ) -> None:
        """They do not wait for the prober, who is in a black hole."""
        proxy.swallow()

        async def main() -> None:
            pool = await open_circuit(keeps_house=False)
            pool.timeout, accepted = 20.0, proxy.accepted
            probe_is_due(pool)
            visitors = [asyncio.create_task(status()) for _ in range(20)]
            await until(lambda: sum(visitor.done() for visitor in visitors) == 19)
            assert pool.stats().circuit == "probing"
            proxy.resume()
            assert sorted(await asyncio.gather(*visitors)) == [200, *[503] * 19]
            assert proxy.accepted - accepted == 1

        asyncio.run(main())

    def test_server_that_is_back_is_used_after_one_probe(self, own_server: Server) -> None:
        """It was started again on its port, and so was not the site."""

        async def main() -> None:
            pool = pool_of_loop(keeps_house=False)
            assert await status() == 200
            own_server.stop()
            while pool.stats().circuit == "closed":
                assert await status() in (500, 503)
            probe_is_due(pool, is_due=False)
            assert await status() == 503
            own_server.start()
            probe_is_due(pool)
            assert [await status() for _ in range(3)] == [200] * 3

        asyncio.run(main())

    def test_lease_that_breaks_meets_the_open_circuit_with_503(
        self, own_server: Server, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server goes in the middle of a view, and others find that out."""
        dialled: list[int] = []

        async def go_down() -> None:
            pool = get_async_pool()
            own_server.stop()
            while pool.stats().circuit == "closed":
                with pytest.raises(RedisPoolError):
                    await pool.get_connection()
            probe_is_due(pool, is_due=False)
            await until(lambda: not proxy._sockets)  # the leased one is closed, too
            dialled.append(pool.stats().create_failures)

        async def main() -> None:
            pool = pool_of_loop(keeps_house=False)
            assert await status("/atwice/") == 503
            assert dialled == [pool.stats().create_failures]
            assert pool.stats().in_use == 0

        look_after(0.0, monkeypatch)  # as if the view had paused
        urls_outage.abetween.append(go_down)
        asyncio.run(main())

    def test_server_that_is_back_is_found_by_the_next_probe(
        self, proxy: FaultyProxy, rounds: Rounds
    ) -> None:
        """So the way back takes one pause between two probes at most."""
        proxy.refuse()

        async def main() -> None:
            pool = await open_circuit(keeps_house=True)
            circuit = pool._ledger.circuit
            circuit._longest_backoff = LONGEST_PAUSE
            await until(lambda: rounds.failed.count(True) > GROWN_AFTER)
            proxy.resume()
            failed, pause = len(rounds.failed), circuit.next_probe - monotonic()
            while await status() != 200:
                await asyncio.sleep(LONGEST_PAUSE / 4)
            assert pause <= LONGEST_PAUSE
            assert len(rounds.failed) <= failed + 1  # one that was under way

        asyncio.run(main())

    def test_black_hole_costs_no_visitor_a_timeout_once_it_is_known(
        self, proxy: FaultyProxy, rounds: Rounds
    ) -> None:
        """The loop's rounds try it again and again; visitors are answered without a dial."""
        proxy.swallow()

        async def main() -> None:
            await open_circuit(keeps_house=True)
            while rounds.failed.count(True) < 2:
                assert await status() == 503
            assert rounds.failed == [False] * FAILURES_TO_OPEN + [True] * 2

        asyncio.run(main())

    def test_server_that_is_back_is_found_without_a_visitor(
        self, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The loop's timer is the prober; the first who comes is served."""
        proxy.refuse()

        async def main() -> None:
            pool = await open_circuit(keeps_house=True)
            told = pool.stats().unavailable
            proxy.resume()
            await until(lambda: pool.stats().circuit == "closed")
            assert await status() == 200
            assert pool.stats().unavailable == told

        asyncio.run(main())
        said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        words = ("did not reach Redis", "Redis cannot be reached", "Redis is reached again")
        assert all(word in line for word, line in zip(words, said, strict=True))
