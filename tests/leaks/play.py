"""How a row of the table is played, by threads and by tasks."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import redis

from redis_pool_ext.embedded import find_redis_server

from .borrowers import HOLDER, WAYS
from .dirt import Dirty
from .table import CLOSED, KEPT, Row, Setting

__all__ = ["borrow", "is_known", "look", "params_of_ours", "warnings_in", "warnings_of"]


@cache
def server_version() -> tuple[int, int]:
    program, _origin = find_redis_server()
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\d+)\.(\d+)", said.stdout)
    assert found is not None
    return int(found[1]), int(found[2])


def is_known(row: Row) -> bool:
    """Tell whether the server knows the command."""
    return row.since <= server_version()


def params_of_ours(rows: Iterable[Row]) -> list[Any]:
    """Return each row in each way, on each protocol, near and far."""
    return [
        pytest.param(row, way, setting, id=f"{row}-{way}-{setting}")
        for row in rows
        for setting in row.settings
        for way in _ways_of(row, setting)
    ]


def _ways_of(row: Row, setting: Setting) -> tuple[str, ...]:
    """Return each way; far, what is not late goes one on RESP2 and another on RESP3."""
    if not setting.is_far or row.late:
        return row.ways
    return row.ways[-1:] if setting.protocol == 2 else row.ways[-2:-1]


async def borrow(pool: Any, way: str, dirty: Dirty) -> None:
    """Do what the first borrower does."""
    async with WAYS[way](pool) as alice:
        await dirty(alice)


async def look(row: Row, client: Any, admin: redis.Redis) -> Any:
    """Return what the next borrower sees, or the name of the error that it gets."""
    try:
        return await row.probe(client, admin)
    except (redis.RedisError, AttributeError, TypeError, ValueError) as error:
        return type(error).__name__


def warnings_in(caplog: Any) -> list[str]:
    """Return what was said, but for a long wait: on a busy machine there are some."""
    records = [each for each in caplog.records if each.levelno >= logging.WARNING]
    return [each.getMessage() for each in records]


def warnings_of(row: Row, way: str) -> list[str]:
    """Return what is said of the row when our pool takes its connection back."""
    if row.ours in (KEPT, CLOSED):
        return []
    who = HOLDER if way == "lease" else "a borrower without a name"
    return [f"default: connection closed instead of reused: {row.ours}, by {who}"]
