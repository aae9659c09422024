"""Redis is down: what the visitors of a Django project are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from django.test import AsyncClient, Client

from redis_pool_ext import AsyncRedisPool, get_async_pool, get_pool
from redis_pool_ext.circuit import FAILURES_TO_OPEN

from ..support.outages import TIMEOUT, CircuitContract, OutageCase, Site
from ..support.proxy import FaultyProxy
from .asgi import until
from .project import urls_outage


@pytest.fixture(autouse=True)
def _project(settings: Any, proxy: FaultyProxy) -> Iterator[None]:
    """A pool of four through the proxy."""
    settings.ROOT_URLCONF = urls_outage.__name__
    settings.REDIS_POOLS = {"default": {"URL": proxy.url, "TIMEOUT": TIMEOUT, "MAX_CONNECTIONS": 4}}
    yield
    urls_outage.between.clear()


def ask(path: str) -> tuple[int, str | None]:
    response = Client(raise_request_exception=False).get(path)
    return response.status_code, response.headers.get("Retry-After")


class TestCircuit(CircuitContract):
    """The contract, in sync views."""

    @pytest.fixture
    def site(self) -> Site:
        return Site(get_pool(), lambda: ask("/once/"), lambda: ask("/twice/"), urls_outage.between)


async def status() -> int:
    return (await AsyncClient().get("/aonce/")).status_code


async def open_circuit(*, keeps_house: bool) -> AsyncRedisPool:
    pool = get_async_pool()
    if not keeps_house:
        pool.housekeeping_interval = None
    assert [await status() for _ in range(FAILURES_TO_OPEN)] == [503] * FAILURES_TO_OPEN
    assert pool.stats().circuit == "open"
    return pool


class TestCircuitOfCoroutines(OutageCase):
    """The same in async views, whose pool is the loop's."""

    def test_open_circuit_answers_503_and_dials_nothing(self, proxy: FaultyProxy) -> None:
        """However many come."""
        proxy.refuse()

        async def main() -> None:
            pool = await open_circuit(keeps_house=False)
            pool._ledger.circuit.next_probe = monotonic() + 3600.0
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
            pool._ledger.circuit.next_probe = monotonic()
            visitors = [asyncio.create_task(status()) for _ in range(20)]
            await until(lambda: sum(visitor.done() for visitor in visitors) == 19)
            assert pool.stats().circuit == "probing"
            proxy.resume()
            assert sorted(await asyncio.gather(*visitors)) == [200, *[503] * 19]
            assert proxy.accepted - accepted == 1

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
        assert [record.levelname for record in caplog.records if "Redis" in record.msg] == [
            "WARNING",
            "WARNING",
        ]
