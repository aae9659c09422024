"""Threads and tasks, driven alike: one test is held against both pools."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from redis_pool_ext import AsyncRedisPool, RedisPool


class Threads:
    """A `RedisPool`."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.pool: Any = RedisPool.from_url(url, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.pool.close()

    @contextmanager
    def lease(self) -> Iterator[Any]:
        with self.pool.lease() as client:
            yield client


class Tasks:
    """An `AsyncRedisPool` in an event loop of its own thread; each call is a task there."""

    def __init__(self, url: str, **settings: Any) -> None:
        self._url, self._settings = url, settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            self._end = asyncio.Event()
            runner.run(self._end.wait())

    def __enter__(self) -> Self:
        self._thread.start()
        self.pool: Any = AsyncRedisPool.from_url(self._url, **self._settings)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.call(self.pool.close)
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call something in a task, and wait for what it returns."""

        async def act() -> Any:
            found = function(*args, **options)
            return await found if inspect.isawaitable(found) else found

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(20)

    @contextmanager
    def lease(self) -> Iterator[Any]:
        lease = self.pool.lease()
        client = self.call(lease.__aenter__)
        try:
            yield Awaited(self, client)
        finally:
            self.call(lease.__aexit__, None, None, None)


class Awaited:
    """A client or a pipeline of tasks, to be used without `await`."""

    def __init__(self, side: Tasks, target: Any) -> None:
        self._side, self._target = side, target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._awaiting(found) if inspect.ismethod(found) else found

    def _awaiting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            value = self._side.call(method, *args, **options)
            return (
                Awaited(self._side, value) if hasattr(value, "immediate_execute_command") else value
            )

        return call


Side = type[Threads] | type[Tasks]
SIDES: dict[str, Side] = {"threads": Threads, "tasks": Tasks}


def connection_of(client: Any) -> Any:
    """Return the connection that a leased client holds."""
    (connection,) = client.connection_pool.held
    return connection
