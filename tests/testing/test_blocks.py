"""Context manager, decorator, and both for coroutines; and which pools a fault is for."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from redis_pool_ext import (
    ConfigError,
    ConnectionPoolTimeoutError,
    PoolUnavailableError,
    configure,
    get_async_pool,
    get_pool,
)
from redis_pool_ext.testing import Block, exhausted_pool, redis_down, slow_redis

FAULTS = {
    "exhausted_pool": exhausted_pool,
    "redis_down": redis_down,
    "slow_redis": lambda alias: slow_redis(0.0, alias),
}


@pytest.fixture(params=FAULTS)
def fault(request):
    return FAULTS[request.param]


def test_decorated_function_runs_in_a_block(pools):
    """Each call of it, and with what it is given; pytest sees its arguments."""

    @exhausted_pool()
    def ask(command: str) -> bool:
        return get_pool().client.execute_command(command)

    for _ in range(2):
        with pytest.raises(ConnectionPoolTimeoutError):
            ask("PING")
    assert get_pool().client.ping()
    assert list(inspect.signature(ask).parameters) == ["command"]


def test_decorated_coroutine_function_runs_in_a_block(pools):
    """Until it has ended, and not only until it was called."""

    @redis_down()
    async def ask() -> None:
        await get_async_pool().client.ping()

    async def main() -> None:
        with pytest.raises(PoolUnavailableError):
            await ask()
        assert await get_async_pool().client.ping()

    asyncio.run(main())


def test_async_with_does_the_same(pools):
    """It is what one writes without a thought, in a coroutine."""

    async def main() -> None:
        async with exhausted_pool():
            with pytest.raises(ConnectionPoolTimeoutError):
                await get_async_pool().client.ping()
        assert await get_async_pool().client.ping()

    asyncio.run(main())


def test_block_can_be_entered_again_and_in_itself(pools):
    """Each time it is another one."""
    block: Block[None] = redis_down()
    with block:
        with block:
            pass
        with pytest.raises(PoolUnavailableError):
            get_pool().client.ping()

    assert get_pool().client.ping()


def test_faults_can_be_combined(pools):
    """Each ends by itself, whatever the order."""
    with slow_redis(0.0), redis_down(), pytest.raises(PoolUnavailableError):
        get_pool().client.ping()

    assert get_pool().client.ping()


@pytest.mark.parametrize(
    "wrong", [int, "text", lambda: (yield)], ids=["class", "text", "generator"]
)
def test_what_cannot_be_decorated_is_refused(wrong):
    """A class or a generator function would be over before anything happens."""
    with pytest.raises(TypeError, match=r"redis_down\(\) decorates functions"):
        redis_down()(wrong)


def test_wrong_arguments_are_told_where_they_are_given():
    """And not where the block begins."""
    with pytest.raises(TypeError, match="unexpected keyword"):
        redis_down(aliases="default")


def test_misspelt_alias_is_told(pools, fault):
    """Else the test would pass, and nothing would have happened in it."""
    with pytest.raises(ConfigError, match="known are default, reports"), fault("defualt"):
        pass


def test_error_inside_is_told_before_a_misspelt_alias(fault):
    """It came first."""
    with pytest.raises(ZeroDivisionError), fault("defualt"):
        raise ZeroDivisionError


def test_pool_may_be_configured_inside(nowhere, fault):
    """Its alias is known by the end."""
    with fault("late"):
        configure({"late": nowhere})


def test_cluster_is_refused(fault):
    """Its nodes have a pool each; the message says what there is to do."""
    configure({"nodes": "redis+cluster://localhost:7000"})

    with (
        pytest.raises(ConfigError, match=r"'nodes' is a Redis Cluster.*one server"),
        fault("nodes"),
    ):
        pass


@pytest.mark.parametrize("alias", [None, "", 3])
def test_what_is_no_alias_is_refused(fault, alias):
    """The message names the argument."""
    with pytest.raises(ConfigError, match=r"\(alias\)"), fault(alias):
        pass
