"""The plugin for pytest, in runs of pytest within the test."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from importlib.util import find_spec

import pytest

from ..support.pages import ROOT

pytest_plugins = ["pytester"]

PLUGIN = "redis_pool_ext_pytest"

# The run around may have the plugin from its entry point, by an installation that does not list
# the files of its own: then pytest has not rewritten it, and says so.
INI = """\
[pytest]
filterwarnings =
    error
    ignore:Module already imported so cannot be rewritten
addopts = --strict-markers --strict-config
"""


@pytest.fixture(autouse=True)
def _by_name_alone(monkeypatch) -> None:
    """Whether the entry point is installed or not, the plugin is loaded once: by name."""
    pytest.importorskip("fakeredis")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def run(pytester):
    """Run tests with the plugin; `setting` is that of the ini file."""

    def run(tests: str, *arguments: str, setting: str | None = None, apart: bool = False):
        ini = INI
        pytester.makeini(ini if setting is None else f"{ini}redis_pools = {setting}\n")
        pytester.makepyfile(tests)
        runs = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return runs("-p", PLUGIN, "-p", "no:cacheprovider", *arguments)

    return run


FIXTURES = """
import pytest
from redis_pool_ext import (
    ConnectionPoolTimeoutError, PoolUnavailableError, get_pool, get_redis, BudgetExceededError
)

def test_fake(fake_pools):
    assert get_redis().incr("n") == 1
    assert "Fake" in get_pool().connection_class.__name__

def test_fake_again(fake_pools):
    assert get_redis().incr("n") == 1

def test_isolated(isolated_pools):
    assert get_redis().incr("n") == 1
    assert get_redis().info("server")["tcp_port"] == int(isolated_pools.split(":")[2][:-2])

def test_isolated_again(isolated_pools):
    assert get_redis().incr("n") == 1

def test_exhausted(fake_pools, exhausted_pool):
    with exhausted_pool(), pytest.raises(ConnectionPoolTimeoutError):
        get_redis().ping()
    assert get_redis().ping()

def test_down(fake_pools, redis_down):
    with redis_down("default"), pytest.raises(PoolUnavailableError):
        get_redis().ping()
    assert get_redis().ping()

def test_slow(fake_pools, slow_redis):
    with slow_redis(3600), get_pool().lease(budget=0.01) as client:
        with pytest.raises(BudgetExceededError):
            client.ping()

def test_count(fake_pools, assert_max_redis_commands):
    with pytest.raises(AssertionError), assert_max_redis_commands(0):
        get_redis().ping()

def test_no_leak(fake_pools, assert_no_leaked_leases):
    with get_pool().lease() as client:
        client.ping()
"""


def test_fixtures_do_what_they_are_called(run):
    """Without a setting, where they are asked for."""
    run(FIXTURES).assert_outcomes(passed=9)


LEAK = """
from redis_pool_ext import get_pool
kept = []
def test_leak(fake_pools, assert_no_leaked_leases):
    kept.append(get_pool().lease("a forgetful one"))
    kept[0].client().ping()
"""


def test_leak_fails_the_test(run):
    """As it ends, with the name of the holder."""
    result = run(LEAK)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*a forgetful one*test_leak_fails_the_test.py:5*"])
    import_module("redis_pool_ext").close_pools()


ISOLATED = """
import unittest
import pytest
import redis_pool_ext
from redis_pool_ext import configure, get_pool, get_redis

configure({"default": "redis://nowhere.invalid/0?max_connections=3"})
kind = lambda: "Fake" in get_pool().connection_class.__name__

@pytest.mark.parametrize("time", [1, 2])
def test_setting(time):
    assert get_redis().incr("n") == 1
    assert kind() is FAKE
    assert get_pool().max_connections == 3

@pytest.mark.redis_pools("fake")
def test_fake():
    assert get_redis().incr("n") == 1 and kind()

@pytest.mark.redis_pools("real")
class TestReal:
    def test_real(self):
        assert get_redis().incr("n") == 1 and not kind()

    @pytest.mark.redis_pools("fake", {"default": {"MAX_CONNECTIONS": 1}})
    def test_nearest_marker_holds(self):
        assert get_pool().max_connections == 1 and kind()

@pytest.mark.redis_pools("off")
def test_off():
    assert get_pool().connection_kwargs["host"] == "nowhere.invalid"

class TestCase(unittest.TestCase):
    def setUp(self):
        get_redis().incr("n")

    def test_one(self):
        self.assertEqual(get_redis().get("n"), b"1")

    test_other = test_one
"""


@pytest.mark.parametrize("setting", ["fake", "real"])
def test_setting_isolates_every_test(run, setting: str):
    """A marker says otherwise, the nearest one; unittest's test cases are tests, too."""
    tests = ISOLATED.replace("FAKE", str(setting == "fake"))
    run(tests, setting=setting).assert_outcomes(passed=8)


def test_url_as_setting_is_that_of_an_empty_database(run, url, admin):
    """It is used, and emptied after each test."""
    tests = """
        import pytest
        from redis_pool_ext import get_pool, get_redis
        @pytest.mark.parametrize("time", [1, 2])
        def test_it(time):
            assert get_redis().incr("n") == 1
            assert get_pool().connection_kwargs["db"] == 5
    """
    run(tests, setting=url.replace("/0", "/5")).assert_outcomes(passed=2)
    assert admin.info("keyspace") == {}


def test_without_a_setting_nothing_happens(run, url):
    """The pools are those that the process has."""
    tests = f"""
        from redis_pool_ext import configure, get_pool
        configure({{"default": {url!r}}})
        pool = get_pool()
        def test_it():
            assert get_pool() is pool
    """
    run(tests).assert_outcomes(passed=1)


def test_wrong_setting_is_refused_at_once(run):
    """The message says which there are."""
    result = run("def test_it(): pass", setting="fakes")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*redis_pools: 'fakes' is not a mode*did you mean 'fake'?"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('"fakes"', "*the marker redis_pools: 'fakes' is not a mode*did you mean 'fake'?"),
        ("", "*a marker redis_pools needs a mode*"),
        ('"fake", alias="a"', "*a marker redis_pools needs a mode*"),
        ('"fake", 3', "*fake_pools(): 3 is neither the name of a pool nor a mapping*"),
        ('"off", "default"', "*'off' takes no arguments, and has 1*"),
        ('"real", "redis://a", "b"', "*'real' takes one argument, and has 2*"),
        ('"redis://:pw@a/0", "b"', "*'redis://*@a/0' takes no arguments, and has 1*"),
    ],
)
def test_wrong_marker_fails_its_test(run, arguments: str, said: str):
    """It is not run; the message names the marker."""
    tests = f"""
        import pytest
        @pytest.mark.redis_pools({arguments})
        def test_it():
            raise AssertionError("it was run")
    """
    result = run(tests)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


WORKERS = """
import os, pytest
from redis_pool_ext import get_redis
@pytest.mark.parametrize("number", range(6))
def test_it(number, tmp_path_factory):
    assert get_redis().incr("n") == 1
    folder = tmp_path_factory.getbasetemp().parent
    port = get_redis().info("server")["tcp_port"]
    (folder / f"{os.environ['PYTEST_XDIST_WORKER']}-{port}").touch()
    found = [each.name.split("-") for each in folder.glob("gw*-*")]
    assert len({port for _, port in found}) == len({name for name, _ in found})
"""
DJANGO = """
import pytest
from django.test import SimpleTestCase, override_settings
from redis_pool_ext import get_pool, get_redis
from redis_pool_ext.testing import RedisPoolTestMixin, redis_down

def test_visitor(client, settings):
    assert client.get("/").content == b"1"
    settings.REDIS_POOLS = {"default": "redis://elsewhere.invalid/0?max_connections=2"}
    assert client.get("/").content == b"1"
    assert get_pool().max_connections == 2

def test_settings_are_put_back(client):
    assert get_pool().max_connections == 16

def test_503(client, redis_down):
    with redis_down():
        assert client.get("/").status_code == 503

class TestVisitor(SimpleTestCase):
    @override_settings(REDIS_POOLS={"default": "redis://elsewhere.invalid/0?max_connections=3"})
    def test_overridden(self):
        assert self.client.get("/").content == b"1"
        assert get_pool().max_connections == 3

    def test_plain(self):
        assert self.client.get("/").content == b"1"
        assert get_pool().max_connections == 16
"""
SITE = """
from django.http import HttpResponse
from django.urls import path
INSTALLED_APPS = ["redis_pool_ext.django"]
MIDDLEWARE = ["redis_pool_ext.django.middleware.RedisPoolMiddleware"]
REDIS_POOLS = {"default": "redis://nowhere.invalid/0"}
ROOT_URLCONF = __name__
urlpatterns = [path("", lambda request: HttpResponse(str(request.redis.incr("n"))))]
"""


def test_it_goes_with_pytest_django_and_xdist(run, pytester):
    """With Django's client, settings and test cases; each worker has a server of its own."""
    for library in ("django", "pytest_django", "xdist"):
        pytest.importorskip(library)
    pytester.makepyfile(site_of_test=SITE, test_workers=WORKERS)
    others = ("-p", "pytest_django.plugin", "--ds", "site_of_test", "-p", "xdist.plugin", "-n", "2")

    run(DJANGO, *others, setting="real", apart=True).assert_outcomes(passed=11)


def test_import_of_the_plugin_loads_pytest_alone():
    """Every run of pytest does that, wherever the package is installed, and most need no Redis."""
    code = (
        "import sys, pytest; before = {*sys.modules};"
        f"import {PLUGIN}; print(*{{*sys.modules}} - before)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30,
        cwd=ROOT,
    )  # fmt: skip

    assert ended.stdout.split() == [PLUGIN]


def test_entry_point_leads_to_the_plugin():
    """By it pytest finds the plugin, where the package is installed."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (line,) = setup["options.entry_points"]["pytest11"].split("\n")[1:]

    assert line == f"redis_pool_ext = {PLUGIN}"
    assert find_spec(PLUGIN) is not None
