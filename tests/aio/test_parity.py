"""Both pools have the same surface, and are held to the same promises."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_pool_ext import AsyncLease, AsyncRedisPool, Lease, RedisPool
from redis_pool_ext.aio.client import LeasedAsyncPipeline, LeasedAsyncRedis
from redis_pool_ext.aio.sentinel import AsyncSentinelConnection, AsyncSentinelSSLConnection
from redis_pool_ext.client import LeasedPipeline, LeasedRedis
from redis_pool_ext.connecting.sentinel import SentinelConnection, SentinelSSLConnection

TESTS = Path(__file__).parent.parent
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

# What one side has alone, and why.
ONLY_THREADS = {
    # Whose turn it is, for handlers that interrupt a thread; a task is interrupted nowhere
    # but where it waits.
    "depth",
    "is_talking",
    "put_back_to",
}
ONLY_TASKS = {
    "aclose",  # redis.asyncio's name for close()
    "for_running_loop",
    "has_loop",
    "put_back",  # what a finalizer can do, who cannot await
    "execute_command",  # redis-py's client for threads has an inner method to override
}

PAIRS = [
    (RedisPool, AsyncRedisPool),
    (Lease, AsyncLease),
    (LeasedRedis, LeasedAsyncRedis),
    (LeasedPipeline, LeasedAsyncPipeline),
    (SentinelConnection, AsyncSentinelConnection),
    (SentinelSSLConnection, AsyncSentinelSSLConnection),
]
EACH_PAIR = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)


def own_names(kind: type[Any]) -> set[str]:
    """Return the public names that this project gives a class."""
    return {
        name
        for each in kind.__mro__
        if each.__module__.startswith("redis_pool_ext")
        for name in vars(each)
        if not name.startswith("_")
    }


def differences(threads: type[Any], tasks: type[Any]) -> set[str]:
    """Return the names that one of two classes lacks, those excepted that are explained."""
    return (own_names(threads) ^ own_names(tasks)) - ONLY_THREADS - ONLY_TASKS


def parameters(kind: type[Any], name: str) -> list[tuple[str, Any, Any]] | None:
    """Return the names, kinds and defaults of a method's parameters; None: no method."""
    function = inspect.getattr_static(kind, name)
    function = getattr(function, "__func__", function)
    if not inspect.isfunction(function):
        return None
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in found]


@EACH_PAIR
def test_twins_have_the_same_names(pair: tuple[type[Any], type[Any]]):
    """No method, property or attribute is there for threads only, or for tasks only."""
    assert differences(*pair) == set()


@EACH_PAIR
def test_twins_take_the_same_arguments(pair: tuple[type[Any], type[Any]]):
    """Same names, same kinds, same defaults, in the same order."""
    threads, tasks = pair
    for name in own_names(threads) & own_names(tasks):
        assert parameters(threads, name) == parameters(tasks, name), name
    if not issubclass(threads, redis.Redis):  # redis-py's own constructors differ
        assert parameters(threads, "__init__") == parameters(tasks, "__init__")


def test_what_is_excepted_is_there():
    """An exception that is not needed any more would hide a difference to come."""
    threads = set().union(*(own_names(one) for one, _ in PAIRS))
    tasks = set().union(*(own_names(other) for _, other in PAIRS))
    assert threads - tasks >= ONLY_THREADS
    assert tasks - threads == ONLY_TASKS


@pytest.mark.parametrize("side", [0, 1], ids=["threads", "tasks"])
def test_method_of_one_side_is_found(side: int):
    """The comparison is red when one side gains a method that the other lacks."""
    pair: list[type[Any]] = [RedisPool, AsyncRedisPool]

    class Gained(pair[side]):  # type: ignore[misc]
        __module__ = "redis_pool_ext.elsewhere"

        def new_method(self) -> None: ...

    pair[side] = Gained
    assert differences(*pair) == {"new_method"}


def test_waiting_methods_are_coroutines_and_others_are_not():
    """What may wait is awaited; what never waits is the same plain method on both sides."""
    waits = {"get_connection", "warm_up", "keep_house", "close", "reconnect", "probe"}
    by_interface = {"release", "disconnect", "re_auth_callback"}  # redis.asyncio's own say so
    found = {
        name
        for name in own_names(AsyncRedisPool)
        if inspect.iscoroutinefunction(inspect.getattr_static(AsyncRedisPool, name))
    }
    assert found == waits | by_interface | {"aclose"}


@pytest.mark.parametrize("folder", ["keeping", "lease", "pool"])
def test_twins_have_the_same_tests(folder: str):
    """A promise that is tested for threads is tested for tasks, under the same name and heading."""
    threads, tasks = (set(_tests_below(tests / folder)) for tests in (TESTS, TESTS / "aio"))
    assert threads - tasks == ONLY_TESTED_WITH_THREADS.get(folder, set())
    assert tasks - threads == ONLY_TESTED_WITH_TASKS.get(folder, set())
    assert len(threads) > 40


# Behaviour that only one side has: the file and the name of its test.
ONLY_TESTED_WITH_THREADS: dict[str, set[tuple[str, str]]] = {}
ONLY_TESTED_WITH_TASKS: dict[str, set[tuple[str, str]]] = {}


def _tests_below(folder: Path) -> Iterable[tuple[str, str]]:
    for path in folder.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, FUNCTION) and node.name.startswith("test"):
                yield path.name, node.name
