"""A real redis-server for the tests, one per run, and an empty database per test."""

from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

import redis_pool_ext
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.pooling import base, unreached

from .support.clock_ahead import Clock, set_clock

# A shell that runs the suite in the background has it ignore SIGINT, and all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_installed(library: str) -> bool:
    """Tell whether a module can be imported, without importing it; its package may be missing."""
    with suppress(ModuleNotFoundError):
        return find_spec(library) is not None
    return False


# The processes of the suite answer nobody, and ask nobody, but where a test has them do so.
os.environ["REDIS_POOL_STATUS_DIR"] = "off"

# The suite also runs where no framework is installed: those tests are not collected then.
collect_ignore = [
    folder
    for folder, library in (
        ("benchmarks", "django_redis"),
        ("django_wing", "django"),
        ("flask_wing", "flask"),
        ("metrics", "opentelemetry.sdk"),
        ("metrics", "prometheus_client"),
        ("metrics", "sentry_sdk"),
        ("metrics", "werkzeug"),
    )
    if not is_installed(library)
]
# All of them or none: `tox -e stack` asks for this folder, and fails where it is not collected.
STACK = (
    *("celery", "channels_redis", "django_rq", "dramatiq", "flask_caching", "flask_limiter"),
    *("flask_redis", "flask_session", "huey", "rest_framework", "rq"),
)
if not all(find_spec(library) for library in STACK):
    collect_ignore.append("stack")


# These need a process to themselves: they fork in C, and a thread of somebody else's (say one
# that runs tests in several processes) may have one of Python's own locks just then; or they
# measure how threads share the interpreter.
ALONE = (
    "runtimes/",
    "aio/loops/test_fork.py",
    "express/test_fork.py",
    "metrics/test_multiprocess.py",
    "pooling/test_fairness.py",
    "pooling/test_housekeeper.py",
    "sentinel/test_fork.py",
    "test_fork.py",
    "test_forks.py",
)
TESTS = Path(__file__).parent

# The short way is for hiredis. Without it redis-py itself does not understand what these have a
# server say (RESP3 on a connection for RESP2, and the other way round), or cannot send it (latin1).
FOR_HIREDIS = (
    *("aio/express/", "wire/test_packing.py", "resp3-python-latin1-blocking"),
    *("test_handler_that_comes_before", "test_time_that_sending_took", "test_tls_is_for_the_name"),
    *("-AUTH: in HELLO]", "-HELLO: 3]", "does_not[AUTH: in HELLO-", "does_not[HELLO: 3-"),
    *("connection_of_threads[HELLO-2]", "test_read_that_ends_before_its_reply"),
)


def is_alone(path: Path) -> bool:
    """Tell whether the tests of a file need a process to themselves."""
    return path.relative_to(TESTS).as_posix().startswith(ALONE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file whose tests would all be deselected: a small process forks more quickly."""
    if collection_path.suffix != ".py":
        return None
    which, alone = config.option.markexpr, is_alone(collection_path)
    if which == "alone" and not alone:
        return "mark.alone" not in collection_path.read_text() or None
    return (which == "not alone" and alone) or None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return what `-n auto` is: half as many again as there are cores, for most tests wait."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_alone(item.path):
            item.add_marker("alone")
        if not is_installed("hiredis") and any(part in item.nodeid for part in FOR_HIREDIS):
            item.add_marker(pytest.mark.skip(reason="for hiredis"))


def pytest_collection_finish() -> None:
    """Let tests that collect garbage look at their own only, and not at the suite each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let what is loaded for the summary find its own: trio does, where hypothesis is there.

    Of a file without properties hypothesis is imported only then, and calls on libraries that
    take part; what they have is frozen, so it takes it for garbage, and warns.
    """
    gc.unfreeze()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The server that all tests share which do not stop or stall it."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def admin(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A plain redis-py client beside the pools under test, on an emptied server."""
    with redis.Redis(host=redis_server.host, port=redis_server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def url(redis_server: EmbeddedRedis, admin: redis.Redis) -> str:
    """The shared server's address, with nothing stored there."""
    return redis_server.url


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The package's clock, to be set forward."""
    clock = Clock()
    set_clock(clock, monkeypatch)
    return clock


@pytest.fixture(autouse=True)
def _own_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pools of earlier tests are not there, for what looks at all that there are."""
    monkeypatch.setattr(base, "_pools", weakref.WeakSet())


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test has logged of a server that is not there keeps no test's log short."""
    monkeypatch.setattr(unreached, "_reported", {})


@pytest.fixture(autouse=True)
def _no_pools_left() -> Iterator[None]:
    """Leave no pool and no configuration to the next test."""
    yield
    redis_pool_ext.configure({})
    redis_pool_ext.close_pools()
