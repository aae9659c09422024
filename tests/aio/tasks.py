"""Tasks for tests: waited for, with an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Let other tasks go on until a condition comes about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come about"
        await asyncio.sleep(0)
