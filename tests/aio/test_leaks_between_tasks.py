"""Each row of the leak table once more, on redis-py's pool for tasks and on ours.

The twin of tests/leaks/test_leaks.py: the same table, the same verbs.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import AsyncRedisPool

from ..leaks.borrowers import WAYS, client_of
from ..leaks.conftest import Site
from ..leaks.dirt import SECRET, does
from ..leaks.play import borrow, is_known, look, params_of_ours, warnings_in, warnings_of
from ..leaks.table import CANCELLED, KEPT, ROWS_OF_TASKS, SETTINGS, Row, Setting
from .tasks import wait_until

KNOWN = [row for row in ROWS_OF_TASKS if is_known(row)]
UNKNOWN = [row for row in ROWS_OF_TASKS if not is_known(row)]
# After a QUIT its pool for tasks is surprised by the end of the stream: an error, and no leak.
ON_PLAIN = [row for row in KNOWN if row not in CANCELLED and row.name != "QUIT"]
NEAR = [setting for setting in SETTINGS if not setting.is_far]


def pool_of(row: Row, setting: Setting, site: Site) -> AsyncRedisPool:
    options = {**site.address(setting), **row.options}
    return AsyncRedisPool(max_connections=1, timeout=5, **options)


def has_heard(connection: Any) -> bool:
    """Tell whether the late reply has come: it is there before anybody looks."""
    return bool(connection._reader._buffer)


@pytest.mark.parametrize("row", ON_PLAIN, ids=str)
@pytest.mark.parametrize("setting", NEAR, ids=str)
async def test_plain_redis_py_hands_it_on(sites: dict[str, Site], row: Row, setting: Setting):
    """The leak is really there, between tasks no less than between threads."""
    site = sites[row.server]
    options = {**site.address(setting), **row.options}
    options["socket_timeout"] = 0.5 if row.hangs else 10
    async with aclosing(redis.asyncio.ConnectionPool(max_connections=1, **options)) as pool:
        await borrow(pool, "command", row.dirty)
        if row.late == "traffic":
            site.admin.set("traffic", SECRET)
        if row.late:
            await wait_until(lambda: all(map(has_heard, pool._available_connections)))
        seen = await look(row, client_of(pool), site.admin)

    assert seen == row.seen_on_plain(setting), f"redis-py {redis.__version__} behaves otherwise"


@pytest.mark.parametrize(("row", "way", "setting"), params_of_ours(KNOWN))
async def test_our_pool_does_not(
    sites: dict[str, Site], caplog: Any, row: Row, way: str, setting: Setting
):
    """The next borrower sees nothing; who left it is named; a clean connection is kept."""
    site = sites[row.server]
    async with pool_of(row, setting, site) as pool:
        before = await pool.client.client_id() if row.ours == KEPT else None
        with caplog.at_level(logging.INFO, logger="redis_pool_ext"):
            await borrow(pool, way, row.dirty)

        assert await look(row, pool.client, site.admin) == row.clean
        assert warnings_in(caplog) == warnings_of(row, way)
        assert pool.stats().in_use == 0
        if row.ours == KEPT:
            assert await pool.client.client_id() == before


async def test_borrower_before_is_not_blamed(sites: dict[str, Site], caplog: Any):
    """The warning names who left the state, not who had the connection earlier."""
    async with AsyncRedisPool(**sites["alone"].address(NEAR[0]), max_connections=1) as pool:
        await borrow(pool, "lease", does(("PING",)))
        await borrow(pool, "raw", does(("SELECT", 3)))

    assert warnings_in(caplog) == [
        "default: connection closed instead of reused: left in SELECT, by a borrower without a name"
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", UNKNOWN, ids=str)
async def test_server_without_the_command_refuses_it(sites: dict[str, Site], row: Row, way: str):
    """What this server does not know cannot leak; the next borrower sees nothing either."""
    site = sites[row.server]
    async with pool_of(row, NEAR[0], site) as pool:
        with pytest.raises(redis.ResponseError, match=r"(?i)unknown"):
            await borrow(pool, way, row.dirty)

        assert await look(row, pool.client, site.admin) == row.clean
