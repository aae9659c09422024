"""What a process tells of its pools, and how it says which project it serves."""

from __future__ import annotations

import asyncio
import json
import sys
import weakref

import pytest

from redis_pool_ext import AsyncRedisPool, ClusterPool, PoolConfig, RedisPool, configure, get_pool
from redis_pool_ext.books.report import NOBODY
from redis_pool_ext.config import read_settings
from redis_pool_ext.status import process_report, projects
from redis_pool_ext.status.projects import address_of, announce, identity_of

from ..support.stub import StubConnection

TWO = {"default": "redis://user:secret@one/0", "reports": "redis://one/1?max_connections=4"}


@pytest.fixture(autouse=True)
def _own_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications of earlier tests, which nobody has collected yet, are not this process's."""
    monkeypatch.setattr(projects, "_announced", weakref.WeakKeyDictionary())


class Owner:
    """Something that has pools, as an application does."""


def test_report_is_plain_data(url):
    """It goes through JSON as it is."""
    configure({"default": url})
    get_pool().client.ping()
    report = process_report(samples=10)

    assert json.loads(json.dumps(report)) == report


def test_report_tells_the_numbers_of_the_pool(url):
    """Those that `pool.stats()` has."""
    configure({"default": {"URL": url, "MAX_CONNECTIONS": 3, "HOUSEKEEPING_INTERVAL": None}})
    with get_pool().lease(holder="a view") as client:
        client.ping()
        (told,) = [p for p in process_report()["pools"] if p["settings"]["max_connections"] == 3]

    assert (told["stats"]["in_use"], told["stats"]["acquired"]) == (1, 1)
    assert [holder["name"] for holder in told["holders"]] == ["a view"]
    assert told["holders"][0]["last_command"] == "PING"


def test_holder_without_a_name_hides_nobody(url):
    """One whose `str()` fails is told as nobody, and the others as they are."""

    class Nameless:
        def __str__(self) -> str:
            raise LookupError

    with (
        RedisPool.from_url(url, alias="of two") as pool,
        pool.lease(Nameless()) as one,
        pool.lease("a view") as other,
    ):
        one.ping()
        other.ping()
        (told,) = [p for p in process_report()["pools"] if p["alias"] == "of two"]

    assert sorted(each["name"] for each in told["holders"]) == sorted([NOBODY, "a view"])


def test_report_has_no_credential():
    """Neither user nor password, wherever they were given."""
    pool = RedisPool.from_url("redis://somebody:secret@host/0", housekeeping_interval=None)
    told = json.dumps(process_report())
    pool.close()

    assert '"redis://host:6379/0"' in told
    assert "somebody" not in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://u:p@host", "redis://host:6379/0"),
        ("rediss://:p@host:1234/5", "rediss://host:1234/5"),
        ("redis://[::1]:7/2", "redis://[::1]:7/2"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
        ("redis+sentinel://u:p@a:1,b:2/mymaster/4", "redis+sentinel://a:1,b:2/mymaster/4"),
        ("redis+cluster://u:p@a:1,b:2", "redis+cluster://a:1,b:2"),
        ("rediss+cluster://a:1", "rediss+cluster://a:1"),
    ],
)
def test_address_is_the_url_without_credentials(url: str, address: str):
    """Of every kind of server."""
    config = PoolConfig.from_url(url)

    assert address_of(config.options, config.connection_class) == address


def test_projects_are_told_before_any_pool_was_made():
    """A command that has dialled nothing is comparable to a worker that has."""
    configure(TWO)

    assert projects.projects() == [identity_of(read_settings(TWO))]


def test_projects_are_the_same_whatever_pools_were_made():
    """One worker may use one pool of two, and have one of its own beside it."""
    configure(TWO)
    before = projects.projects()
    get_pool("reports")
    own = RedisPool(StubConnection, alias="own", housekeeping_interval=None)

    assert projects.projects() == before
    own.close()


def test_projects_are_told_by_alias_and_address_alone():
    """Not by sizes, which a worker may have from its environment, nor by passwords."""
    other = {"default": "redis://one/0?max_connections=99", "reports": "redis://x:y@one/1"}

    assert identity_of(read_settings(other)) == identity_of(read_settings(TWO))


@pytest.mark.parametrize(
    "other",
    [
        {"default": "redis://one/0"},
        {"default": "redis://two/0", "reports": "redis://one/1"},
        {"default": "redis://one/0", "stats": "redis://one/1"},
    ],
)
def test_projects_with_other_pools_are_others(other):
    """Another alias, another server, another number of them."""
    assert identity_of(read_settings(other)) != identity_of(read_settings(TWO))


def test_process_may_serve_several_projects():
    """Each application's pools are announced, for as long as that is there."""
    configure(TWO)
    owner, pools = Owner(), read_settings({"default": "redis://two/0"})
    announce(owner, pools)

    assert set(projects.projects()) == {identity_of(read_settings(TWO)), identity_of(pools)}
    del owner
    assert projects.projects() == [identity_of(read_settings(TWO))]


def test_process_without_settings_is_told_by_the_pools_it_made():
    """A plain program's, made by hand."""
    pool = RedisPool(StubConnection, alias="by hand", host="one", housekeeping_interval=None)
    one = projects.projects()
    pool.close()

    assert len(one) == 1
    assert one != projects.projects()


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        (["/srv/app/manage.py", "runserver"], "manage.py runserver"),
        (["/venv/bin/gunicorn", "shop.wsgi"], "gunicorn"),
        (["/venv/bin/celery", "-A", "shop", "worker"], "celery"),
        (["/venv/bin/flask", "run", "-p", "80"], "flask run"),
        (["/lib/python/uvicorn/__main__.py"], "uvicorn"),
        (["manage.py", "redis://u:p@h"], "manage.py"),
        (["program", "--password=x"], "program"),
        ([""], "python"),
    ],
)
def test_program_is_named_as_people_call_it(monkeypatch, argv: list[str], program: str):
    """With the sub-command of programs that are many, and no other argument."""
    monkeypatch.setattr(sys, "argv", argv)

    assert process_report()["process"]["program"] == program


def test_default_pool_comes_first(url):
    """Then the others by name."""
    configure({"a": url, "default": url, "b": url})
    for alias in ("b", "a", "default"):
        get_pool(alias)

    own = [pool["alias"] for pool in process_report()["pools"]]
    assert [alias for alias in own if alias in {"a", "b", "default"}] == ["default", "a", "b"]


def test_nodes_of_a_cluster_are_told_one_by_one():
    """Each is a pool of its own."""
    pool = ClusterPool([("one", 1)], housekeeping_interval=None)
    servers = {each["server"] for each in process_report()["pools"]}
    pool.close()

    assert "redis://one:1/0" in servers


def test_pool_of_a_loop_that_has_ended_is_not_told():
    """Nor one that no loop has used: of neither there is anything to see."""

    async def use(pool: AsyncRedisPool) -> list[str]:
        async with pool.lease():
            pool._enter()
            return [each["kind"] for each in process_report()["pools"]]

    pool = AsyncRedisPool(alias="of a loop")
    assert process_report()["pools"] == []
    assert asyncio.run(use(pool)) == ["async"]
    assert process_report()["pools"] == []


def test_pool_of_threads_comes_before_those_of_loops_and_default_before_all():
    """Pages and tables show them in this order, whoever was made first."""

    async def look() -> list[tuple[str, str]]:
        pools = [AsyncRedisPool(), RedisPool(alias="a"), RedisPool()]
        for pool in pools:
            if isinstance(pool, AsyncRedisPool):
                pool._enter()
        return [(each["alias"], each["kind"]) for each in process_report()["pools"]]

    assert asyncio.run(look()) == [("default", "sync"), ("default", "async"), ("a", "sync")]
