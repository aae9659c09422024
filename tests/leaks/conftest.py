"""The servers of the leak table: alone and in a cluster, near and behind a slow link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.settings.rules import REDIS_PY_ARGUMENTS
from tests.support.proxy import FaultyProxy

from .dirt import RETURN_SECRET
from .table import REDIS_PY, Row, Setting

DELAY = 0.02  # seconds, before each piece of an answer

# Leaves two round trips out of each handshake, which say what library this is.
NO_INTRODUCTION: dict[str, Any] = {"driver_info": None}
if REDIS_PY < 8 and "driver_info" in REDIS_PY_ARGUMENTS:  # 7: None is a default one
    from redis.driver_info import DriverInfo

    NO_INTRODUCTION = {"driver_info": DriverInfo(name="", lib_version="")}
elif REDIS_PY < 8:
    NO_INTRODUCTION = {"lib_name": None, "lib_version": None}

# A node that is alone to be asked: slot 0 is another's that never was, and half moved here.
NODES = """\
{here} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 1-16383 [0-<-{there}]
{there} 127.0.0.1:1@10001 master - 0 0 2 connected 0
vars currentEpoch 2 lastVoteEpoch 0
""".format(here="a" * 40, there="b" * 40)


class Site:
    """One server: its address near and far, and a client beside the pools."""

    def __init__(self, server: EmbeddedRedis, link: FaultyProxy) -> None:
        self.server, self.link = server, link
        self.admin = redis.Redis(port=server.port)

    def address(self, setting: Setting) -> dict[str, Any]:
        port = self.link.port if setting.is_far else self.server.port
        address = {"host": "127.0.0.1", "port": port, "protocol": setting.protocol}
        return {**address, **NO_INTRODUCTION} if setting.is_far else address

    def hold(self) -> None:
        self.link.swallow()

    def let_go(self) -> None:
        self.link.resume()
        self.link.delay = DELAY


@pytest.fixture(scope="package")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """The servers by the name that rows give them."""
    nodes = tmp_path_factory.mktemp("cluster") / "nodes.conf"
    nodes.write_text(NODES)
    cluster = ("--cluster-enabled", "yes", "--cluster-config-file", str(nodes))
    cluster += ("--cluster-allow-reads-when-down", "yes")
    with ExitStack() as stack:
        found = {}
        for name, arguments in (("alone", ()), ("cluster", cluster)):
            server = stack.enter_context(EmbeddedRedis(*arguments))
            link = stack.enter_context(FaultyProxy(server.port))
            link.delay = DELAY
            found[name] = Site(server, link)
            stack.callback(found[name].admin.close)
        prepare(found["alone"].admin)
        yield found


def prepare(admin: redis.Redis) -> None:
    admin.execute_command("ACL SETUSER alice on >secret ~* &* +@all")
    admin.script_load(RETURN_SECRET)
    admin.set("text", "no list")


@pytest.fixture(scope="package")
def pools(sites: dict[str, Site]) -> Iterator[Callable[[Row, Setting], RedisPool]]:
    """Our pools of one connection, shared by all rows that need the same."""
    made: dict[Any, RedisPool] = {}

    def pool(row: Row, setting: Setting) -> RedisPool:
        key = (row.server, setting, *sorted(row.options.items()))
        if key not in made or made[key].stats().in_use:
            options = {**sites[row.server].address(setting), **row.options}
            made[key] = RedisPool(max_connections=1, timeout=5, **options)
        return made[key]

    yield pool
    for used in made.values():
        used.close()
