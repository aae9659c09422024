"""Each row of the leak table, on plain redis-py and on our pool."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from tests.support.threads import wait_until

from .borrowers import WAYS
from .conftest import Site
from .dirt import SECRET, does
from .play import borrow, is_known, look, params_of_ours, warnings_in, warnings_of
from .table import KEPT, ROWS, SETTINGS, Row, Setting
from .verbs import run

KNOWN = [row for row in ROWS if is_known(row)]
UNKNOWN = [row for row in ROWS if not is_known(row)]


def params(*rows: Row) -> list[Any]:
    return [pytest.param(row, s, id=f"{row}-{s}") for row in rows for s in row.settings]


# -- plain redis-py ------------------------------------------------------------------------


def on_plain(row: Row, setting: Setting, site: Site, pool_class: type[Any]) -> Any:
    timeout = 0.5 if row.hangs else 10
    options = {**site.address(setting), **row.options, "socket_timeout": timeout}
    pool = pool_class(max_connections=1, **options)
    bob = redis.Redis(connection_pool=pool)
    try:
        if row.late == "reply" and setting.is_far:
            bob.ping()  # connects
            hold_until_asked(site, bob)
        run(borrow(pool, "command", row.dirty))
        if row.late == "traffic":
            if setting.is_far:
                hold_until_asked(site, bob)
            site.admin.set("traffic", SECRET)
        if row.late and not setting.is_far:
            wait_until(lambda: has_heard(pool))
        return run(look(row, bob, site.admin))
    finally:
        site.let_go()
        pool.disconnect()


def hold_until_asked(site: Site, bob: redis.Redis) -> None:
    """Let nothing through before `bob` has sent a command, however slow this machine is."""
    parse_response = bob.parse_response

    def let_go(*args: Any, **options: Any) -> Any:
        site.let_go()
        return parse_response(*args, **options)

    bob.parse_response = let_go
    site.hold()


def has_heard(pool: Any) -> bool:
    """Tell whether the late reply has come: near, it is there before anybody looks."""
    idle = getattr(pool, "_available_connections", None) or [c for c in pool.pool.queue if c]
    return all(connection.can_read(0) for connection in idle)


@pytest.mark.parametrize(("row", "setting"), params(*KNOWN))
def test_plain_redis_py_hands_it_on(sites, row: Row, setting: Setting):
    """The leak is really there, where the table says so; and only there."""
    seen = on_plain(row, setting, sites[row.server], redis.ConnectionPool)

    assert seen == row.seen_on_plain(setting), f"redis-py {redis.__version__} behaves otherwise"


@pytest.mark.parametrize("row", KNOWN, ids=str)
@pytest.mark.parametrize("setting", [s for s in SETTINGS if not s.is_far], ids=str)
def test_blocking_pool_of_redis_py_hands_it_on(sites, row: Row, setting: Setting):
    """redis-py's other pool is no different."""
    seen = on_plain(row, setting, sites[row.server], redis.BlockingConnectionPool)

    assert seen == row.seen_on_plain(setting), f"redis-py {redis.__version__} behaves otherwise"


# -- ours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "way", "setting"), params_of_ours(KNOWN))
def test_our_pool_does_not(sites, pools, caplog, row: Row, way: str, setting: Setting):
    """The next borrower sees nothing; who left it is named; a clean connection is kept."""
    pool, admin = pools(row, setting), sites[row.server].admin
    before = pool.client.client_id() if row.ours == KEPT else None
    with caplog.at_level(logging.INFO):
        run(borrow(pool, way, row.dirty))

    assert run(look(row, pool.client, admin)) == row.clean
    assert warnings_in(caplog) == warnings_of(row, way)
    assert pool.stats().in_use == 0
    if row.ours == KEPT:
        assert pool.client.client_id() == before


def test_borrower_before_is_not_blamed(sites, caplog):
    """The warning names who left the state, not who had the connection earlier."""
    with RedisPool(**sites["alone"].address(SETTINGS[0]), max_connections=1) as pool:
        run(borrow(pool, "lease", does(("PING",))))
        run(borrow(pool, "raw", does(("SELECT", 3))))

    assert warnings_in(caplog) == [
        "default: connection closed instead of reused: left in SELECT, by a borrower without a name"
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", UNKNOWN, ids=str)
def test_server_without_the_command_refuses_it(sites, pools, row: Row, way: str):
    """What this server does not know cannot leak; the next borrower sees nothing either."""
    pool = pools(row, SETTINGS[0])
    with pytest.raises(redis.ResponseError, match=r"(?i)unknown"):
        run(borrow(pool, way, row.dirty))

    assert run(look(row, pool.client, sites[row.server].admin)) == row.clean
