"""One who uses the pools of the process, as threads do and as tasks do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis_pool_ext import get_async_pool, get_pool
from redis_pool_ext.pooling.base import PoolBase

Ask = Callable[..., Any]


class Threads:
    """Uses the pools for threads."""

    name = "threads"

    def pool(self, alias: str = "default") -> PoolBase:
        return get_pool(alias)

    def ask(self, *command: Any, alias: str = "default") -> Any:
        """Borrow a connection for one command."""
        return get_pool(alias).client.execute_command(*command)

    def ask_in(self, seconds: float, *command: Any) -> Any:
        """Do it on a lease, within a budget."""
        with get_pool().lease(budget=seconds) as client:
            return client.execute_command(*command)

    def pipeline(self, *commands: Any, transaction: bool = False) -> Any:
        pipeline = get_pool().client.pipeline(transaction=transaction)
        for command in commands:
            pipeline.execute_command(*command)
        return pipeline.execute()

    @contextmanager
    def lease(self, holder: str | None = None) -> Iterator[Ask]:
        """Hold a connection, and yield what executes a command on it."""
        with get_pool().lease(holder) as client:
            client.ping()
            yield client.execute_command

    def keep(self, holder: str) -> Callable[[], None]:
        """Take a connection, and return what gives it back."""
        lease = get_pool().lease(holder)
        lease.client().ping()
        return lease.end

    def close(self) -> None:
        """There is nothing to close."""


class Tasks:
    """Uses those of an event loop."""

    name = "tasks"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def _run(self, function: Callable[[], Any]) -> Any:
        async def in_task() -> Any:
            return await function()

        return self._runner.run(in_task())

    def pool(self, alias: str = "default") -> PoolBase:
        async def find() -> PoolBase:
            return get_async_pool(alias)

        return self._run(find)

    def ask(self, *command: Any, alias: str = "default") -> Any:
        return self._run(lambda: get_async_pool(alias).client.execute_command(*command))

    def ask_in(self, seconds: float, *command: Any) -> Any:
        async def within() -> Any:
            async with get_async_pool().lease(budget=seconds) as client:
                return await client.execute_command(*command)

        return self._run(within)

    def pipeline(self, *commands: Any, transaction: bool = False) -> Any:
        async def execute() -> Any:
            pipeline = get_async_pool().client.pipeline(transaction=transaction)
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()

        return self._run(execute)

    @contextmanager
    def lease(self, holder: str | None = None) -> Iterator[Ask]:
        lease = self.pool().lease(holder)
        client = lease.client()
        self._run(client.ping)
        try:
            yield lambda *command: self._run(lambda: client.execute_command(*command))
        finally:
            self._end(lease)

    def keep(self, holder: str) -> Callable[[], None]:
        lease = self.pool().lease(holder)
        self._run(lease.client().ping)
        return lambda: self._end(lease)

    def _end(self, lease: Any) -> None:
        async def end() -> None:
            lease.end()

        self._run(end)

    def close(self) -> None:
        self._runner.close()
