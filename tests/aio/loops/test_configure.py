"""Settings that change, and pools that are closed, while loops run."""

from __future__ import annotations

import pytest

from redis_pool_ext import (
    ConfigError,
    PoolClosedError,
    close_async_pools,
    configure,
    get_async_pool,
)

from ..tasks import wait_until as until
from .running import UVLOOP_WARNS, hit, use_both, with_found_pool

pytestmark = UVLOOP_WARNS


class TestConfigure:
    """Settings that change while loops run."""

    def test_pools_of_settings_that_are_gone_close(self, settings, run, connected):
        """The next one has the new settings; nobody gets anything from the old one."""

        async def main() -> None:
            configure({"default": settings})
            before = get_async_pool()
            await before.client.ping()
            configure({"default": settings | {"MAX_CONNECTIONS": 3}})
            assert before.is_closed
            with pytest.raises(PoolClosedError):
                await before.client.ping()
            await until(lambda: not connected())
            assert get_async_pool().max_connections == 3
            assert await hit() == 1

        run(main())

    def test_pools_of_settings_that_stay_are_not_disturbed(self, settings, run, connected):
        """One alias changes, the other one has the same connection."""

        async def main() -> None:
            configure({"default": settings, "other": settings | {"MAX_CONNECTIONS": 1}})
            await hit()
            kept, before = get_async_pool(), connected()
            configure({"default": settings})
            assert get_async_pool() is kept
            await hit()
            assert connected() == before

        run(main())

    def test_pools_of_a_loop_in_another_thread_close_there(self, configured, another, nothing_left):
        """configure() is called wherever it is; sockets close in their own loop."""
        another.run(with_found_pool(use_both))
        configure({})
        nothing_left()

        async def main() -> None:
            with pytest.raises(ConfigError):
                get_async_pool()

        another.run(main())

    def test_connection_in_use_is_not_cut(self, configured, run):
        """The command after the change still answers, and then its connection closes."""

        async def main() -> None:
            pool = get_async_pool()
            async with pool.lease() as client:
                await client.ping()
                configure({})
                assert await client.ping()
                assert pool.stats().in_use == 1
            assert (pool.stats().in_use, pool.stats().idle) == (0, 0)

        run(main())


class TestCloseAsyncPools:
    """The end that is asked for."""

    def test_running_loops_pools_close(self, configured, run, connected):
        """Their sockets are gone soon after it returns, while the loop goes on."""

        async def main() -> None:
            pool = get_async_pool()
            await use_both(pool)
            await close_async_pools()
            assert pool.is_closed
            await until(lambda: not connected())

        run(main())

    def test_next_use_makes_a_new_pool(self, configured, run):
        """It is not the end of the loop."""

        async def main() -> None:
            before = get_async_pool()
            await hit()
            await close_async_pools()
            assert await hit() == 2
            assert get_async_pool() is not before

        run(main())

    def test_pools_of_other_loops_stay(self, configured, run, another):
        """Each loop closes its own."""
        another.run(with_found_pool(use_both))
        run(close_async_pools())

        async def main() -> int:
            await use_both(get_async_pool())
            return get_async_pool().stats().created

        assert another.run(main()) == 2
