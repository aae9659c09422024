"""`ping`: whether each server can be dialled, and how long that takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import redis

from ..config import PoolConfig
from ..deadline import Deadline
from ..pool import RedisPool
from ..status.projects import address_of
from .run import Task
from .servers import configs_of, targets
from .way_out import way_out

__all__ = ["gather", "is_fine", "show"]

FAILURES = (redis.RedisError, OSError)


def gather(task: Task) -> dict[str, Any]:
    """Dial all servers at the same time."""
    configs = list(configs_of(task).values())
    deadline = Deadline(task.options.timeout)
    if not configs:
        return {"pools": []}
    with ThreadPoolExecutor(len(configs)) as threads:
        answers = threads.map(lambda config: _ping(config, deadline), configs)
        return {"pools": [entry for entries in answers for entry in entries]}


def is_fine(data: dict[str, Any]) -> bool:
    """Tell whether each one has answered."""
    return all(entry["ok"] for entry in data["pools"])


def show(data: dict[str, Any], task: Task) -> None:
    """Draw the table."""
    from .ping_tables import draw

    draw(data, task.output.console())


def _ping(config: PoolConfig, deadline: Deadline) -> list[dict[str, Any]]:
    address = address_of(config.options, config.connection_class)
    entries: list[dict[str, Any]] = []
    try:
        with targets(config, deadline) as found:
            for name, pool in found:
                entries.append(_ping_one(config.alias, name, pool))
    except FAILURES as error:  # a cluster whose nodes nobody tells
        entries.append(_entry(config.alias, address, error=error))
    return entries


def _ping_one(alias: str, name: str, pool: RedisPool) -> dict[str, Any]:
    dial = None
    began = perf_counter()
    try:
        with pool.lease() as client:
            client.connection_pool.take()
            dialled = perf_counter()
            dial = dialled - began
            client.ping()
            return _entry(alias, name, dial=dial, ping=perf_counter() - dialled)
    except FAILURES as error:
        return _entry(alias, name, dial=dial, error=error)


def _entry(
    alias: str,
    server: str,
    *,
    dial: float | None = None,
    ping: float | None = None,
    error: BaseException | None = None,
) -> dict[str, Any]:
    return {
        "alias": alias,
        "server": server,
        "ok": error is None,
        "dial_seconds": dial,
        "ping_seconds": ping,
        "error": None if error is None else str(error),
        "way_out": None if error is None else way_out(error),
    }
