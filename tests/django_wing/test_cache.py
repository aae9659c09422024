"""The cache by itself: what it stores, for how long, and what it finds again."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import InvalidCacheBackendError
from django.core.cache.backends.base import BaseCache, memcache_key_warnings
from django.utils.module_loading import import_string
from redis import Redis

from redis_pool_ext import get_pool
from redis_pool_ext.client import LeasedPipeline
from redis_pool_ext.django.cache import RedisPoolCache
from redis_pool_ext.django.cache.values import COMPRESSORS
from tests.support.awaited import Awaited

BACKEND = "redis_pool_ext.django.cache.RedisPoolCache"
DJANGOS = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


def after_its_version(key: str, prefix: str, version: Any) -> str:
    return f"{prefix}/{version}/{key}"


def before_its_version(key: str, prefix: str, version: Any) -> str:
    return f"{key}@{version}"


class Reversed:
    """A serializer of a project's own."""

    def dumps(self, obj: Any) -> bytes:
        return repr(obj).encode()[::-1]

    def loads(self, data: bytes) -> Any:
        return eval(data[::-1])


class PlainText:
    """A serializer that takes text only, and leaves it as it is."""

    def dumps(self, obj: str) -> bytes:
        return obj.encode()

    def loads(self, data: bytes) -> str:
        return data.decode()


def made(**entry: Any) -> RedisPoolCache:
    """Return a cache as this entry of CACHES makes it."""
    return RedisPoolCache(entry.pop("LOCATION", ""), entry)


@pytest.fixture(autouse=True)
def _patience(settings: Any) -> None:
    """Time enough for a slow machine's dial: nobody is to be refused here."""
    pools = settings.REDIS_POOLS
    settings.REDIS_POOLS = {"default": {**pools["default"], "TIMEOUT": 20}}


@pytest.fixture(params=["threads", "tasks"])
def way(request: pytest.FixtureRequest) -> Any:
    """Turns a cache into what a test calls: itself, or its asynchronous twins."""
    return (lambda cache: cache) if request.param == "threads" else Awaited


@pytest.fixture
def cache(way: Any) -> Any:
    """A cache with the default settings."""
    return way(made())


VALUES = [
    "text", "", "12", "ümlaut", 0, 7, -7, 2**70, 1.5, True, False, None,
    [1, "two", None], {"a": [1, {"b": 2}]}, "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("compressor", [None, *sorted(COMPRESSORS)])
@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack", Reversed, Reversed()])
def test_value_comes_back_as_it_was(serializer: Any, compressor: str | None) -> None:
    """With each serializer and each compressor, of any length."""
    options = {"SERIALIZER": serializer, "COMPRESSOR": compressor, "COMPRESS_MIN_LENGTH": 1}
    cache = made(OPTIONS=options)
    cache.set_many({str(number): value for number, value in enumerate(VALUES)})
    for number, value in enumerate(VALUES):
        found = cache.get(str(number), "nothing")
        assert (type(found), found) == (type(value), value)


def test_compressor_takes_long_values_only(cache: Any, admin: Redis) -> None:
    """Short ones, and those that would get longer, are stored as they are."""
    made(OPTIONS={"COMPRESSOR": "zlib"}).set_many({"short": "x" * 900, "long": "x" * 5000})
    assert admin.strlen(":1:short") > 900
    assert admin.strlen(":1:long") < 100
    made(OPTIONS={"COMPRESSOR": "zlib", "COMPRESS_MIN_LENGTH": 0}).set("tiny", "x")
    assert cache.get("tiny") == "x"


def test_compressor_may_be_turned_on_and_off(cache: Any) -> None:
    """What was stored before is read as well, either way; off: by whoever still has it on."""
    compressing = made(OPTIONS={"COMPRESSOR": "zstd"})
    cache.set("before", "x" * 5000)
    assert compressing.get("before") == "x" * 5000


def test_data_that_only_begins_like_something_compressed_is_not(admin: Redis) -> None:
    """A serializer of the project's own may begin its data with anything."""
    cache = made(OPTIONS={"COMPRESSOR": "zlib", "SERIALIZER": PlainText})
    cache.set("key", "xylophone")
    assert cache.get("key") == "xylophone"


def test_whole_number_is_stored_as_text(cache: Any, admin: Redis) -> None:
    """So Redis can count with it; a bool is no number."""
    cache.set_many({"number": 41, "yes": True})
    assert admin.get(":1:number") == b"41"
    assert not admin.get(":1:yes").isdigit()


def theirs(backend: str, url: str, **options: Any) -> Any:
    """Return another backend's cache on the same server."""
    return import_string(backend)(url, {"OPTIONS": options})


# django-redis has no bz2, and for zstd another library.
@pytest.mark.parametrize("compressor", [None, *sorted(COMPRESSORS.keys() - {"bz2", "zstd"})])
def test_what_django_redis_stored_is_read(url: str, compressor: str | None) -> None:
    """A project that changes over, or back, keeps its cache and its sessions."""
    name = f"{(compressor or 'identity').title()}Compressor"
    path = f"django_redis.compressors.{compressor or 'identity'}.{name}"
    before = theirs(DJANGO_REDIS, url, COMPRESSOR=path)
    after = made(OPTIONS={"COMPRESSOR": compressor, "COMPRESS_MIN_LENGTH": 1})
    for value in VALUES:
        before.set("key", value)
        assert after.get("key", "nothing") == value
        after.set("key", value)
        assert before.get("key", "nothing") == value


def test_what_djangos_own_backend_stored_is_read(url: str) -> None:
    """Both ways: the same keys, the same data."""
    before, after = theirs(DJANGOS, url), made()
    for value in VALUES:
        before.set("key", value)
        assert after.get("key", "nothing") == value
        after.set("key", value)
        assert before.get("key", "nothing") == value


# -- for how long -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "milliseconds"), [(300, 300_000), (0.25, 250), (0.0001, 1), (1.9999, 2000)]
)
@pytest.mark.parametrize("method", ["set", "add", "set_many", "touch", "expire"])
def test_timeout_is_kept_to_the_millisecond(
    cache: Any, admin: Redis, method: str, timeout: float, milliseconds: int
) -> None:
    """Also a fraction of a second, which Django's own backend cuts off."""
    if method == "set_many":
        cache.set_many({"key": "value"}, timeout)
    elif method in ("touch", "expire"):
        cache.set("key", "value")
        getattr(cache, method)("key", timeout)
    else:
        getattr(cache, method)("key", "value", timeout)
    left = admin.pttl(":1:key")  # -1: no end
    assert left != -1
    assert milliseconds - 200 < left <= milliseconds


@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_value_that_is_over_at_once_replaces_what_was_there(
    cache: Any, admin: Redis, timeout: float
) -> None:
    """What was set before is gone, and nothing new is there."""
    cache.set_many({"a": 1, "b": 2, "c": 3})
    cache.set("a", "new", timeout)
    cache.set_many({"b": "new"}, timeout)
    cache.touch("c", timeout)
    assert admin.dbsize() == 0


def test_value_that_is_over_at_once_is_added_where_there_is_none(cache: Any, admin: Redis) -> None:
    """`add` says whether it would have been, and leaves what there is."""
    assert cache.add("key", "value", 0) is True
    cache.set("key", "before")
    assert cache.add("key", "value", 0) is False
    assert cache.get("key") == "before"


def test_value_without_end_stays_so(cache: Any, admin: Redis) -> None:
    """`touch(None)` says that there is a value, whether or not it had an end before."""
    cache.set("key", "value", 300)
    assert cache.touch("key", None) is True
    assert cache.touch("key", None) is True
    assert admin.ttl(":1:key") == -1
    assert cache.touch("nothing", None) is False


def test_lifetimes_are_told_as_django_redis_does(cache: Any) -> None:
    """Seconds or milliseconds; None is for good, 0 is for nothing there."""
    cache.set("key", "value", 100)
    assert 99 <= cache.ttl("key") <= 100
    assert 99_000 < cache.pttl("key") <= 100_000
    assert (cache.ttl("nothing"), cache.pttl("nothing")) == (0, 0)
    assert cache.persist("key") is True
    assert cache.persist("key") is False
    assert (cache.ttl("key"), cache.pttl("key")) == (None, None)


def test_set_tells_whether_it_was_set(cache: Any) -> None:
    """`nx` and `xx`, as django-redis has them; over at once, too."""
    assert cache.set("key", 1, xx=True) is False
    assert cache.set("key", 1, nx=True) is True
    assert cache.set("key", 2, nx=True) is False
    assert cache.get("key") == 1
    assert cache.set("key", 3, xx=True) is True
    assert cache.set("key", 4, 0, xx=True) is True
    assert cache.set("key", 4, 0, xx=True) is False


# -- in one step ----------------------------------------------------------------------------


def test_many_values_take_one_round_trip(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its timeout; Django's own backend sets them all, and then their lifetimes."""
    trips: list[int] = []
    execute = LeasedPipeline.execute

    def counting(self: Any, *args: Any) -> Any:
        trips.append(len(self))
        return execute(self, *args)

    monkeypatch.setattr(LeasedPipeline, "execute", counting)
    made().set_many({str(number): number for number in range(50)})
    assert trips == [50]
    assert cache.get_many(str(number) for number in range(60)) == {
        str(number): number for number in range(50)
    }


@pytest.mark.parametrize("method", ["get_many", "set_many", "delete_many"])
def test_nothing_many_times_asks_nobody(way: Any, method: str) -> None:
    """No keys, no command, no connection."""
    assert not getattr(way(made()), method)({})
    assert get_pool().stats().acquired == 0


def test_counting_is_one_step() -> None:
    """Of many who count at once nobody is lost."""
    cache = made()
    cache.set("hits", 0)
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda _: cache.incr("hits"), range(400)))
    assert cache.get("hits") == 400


def test_counting_keeps_the_lifetime(cache: Any, admin: Redis) -> None:
    """And tells large numbers exactly."""
    cache.set("hits", 2**60, 100)
    assert cache.incr("hits", 3) == 2**60 + 3
    assert cache.decr("hits") == 2**60 + 2
    assert 99 <= admin.ttl(":1:hits") <= 100


def test_counting_what_is_not_there_makes_nothing(cache: Any, admin: Redis) -> None:
    """Redis would begin with 0, and keep it for good."""
    with pytest.raises(ValueError, match="'hits' not found"):
        cache.incr("hits")
    assert admin.dbsize() == 0


def test_moving_to_another_version_keeps_the_lifetime(cache: Any, admin: Redis) -> None:
    """And takes the old one away."""
    cache.set("key", "value", 100)
    assert cache.incr_version("key") == 2
    assert 99 <= admin.ttl(":2:key") <= 100
    assert admin.dbsize() == 1
    assert cache.decr_version("key", version=2) == 1
    with pytest.raises(ValueError, match="'nothing' not found"):
        cache.incr_version("nothing")


# -- keys that are looked for -----------------------------------------------------------------

PREFIXES = ["", "shop", "sh*p", "[a]?", "a\\b"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("function", [None, after_its_version])
def test_keys_are_found_by_a_pattern(way: Any, prefix: str, function: Any) -> None:
    """Names as they were given, in one version, also where a prefix is full of wildcards."""
    cache = way(made(KEY_PREFIX=prefix, KEY_FUNCTION=function))
    cache.set_many({f"user:{number}": number for number in range(30)})
    cache.set_many({"other": 1, "user:": 2})
    cache.set("user:1", 1, version=2)
    made(KEY_PREFIX="shXp").set("user:1", 1)
    found = {f"user:{number}" for number in range(30)}
    assert sorted(cache.keys("user:?*")) == sorted(found)
    assert set(cache.iter_keys("user:?*", itersize=3)) == found
    assert list(cache.iter_keys("*", version=2)) == ["user:1"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_keys_are_deleted_by_a_pattern(way: Any, prefix: str) -> None:
    """It says how many there were."""
    cache = way(made(KEY_PREFIX=prefix))
    cache.set_many({f"user:{number}": number for number in range(30)})
    cache.set("other", 1)
    cache.set("user:1", 1, version=2)
    assert cache.delete_pattern("user:*", itersize=3) == 30
    assert (cache.get("other"), cache.get("user:1", version=2)) == (1, 1)
    assert cache.delete_pattern("user:*") == 0


@pytest.mark.parametrize("prefix", PREFIXES)
def test_clear_leaves_what_is_not_its_own(way: Any, admin: Redis, prefix: str) -> None:
    """The database is everybody's: other caches, queues, sessions under another prefix."""
    foreign = ["queue", f"{prefix}:jobs:high", f"{prefix}:", "shXp:1:key", "aXb:1:key"]
    admin.mset(dict.fromkeys(foreign, "theirs"))
    cache = way(made(KEY_PREFIX=prefix))
    cache.set_many({str(number): number for number in range(2500)})
    cache.set("key", 1, version=17)
    cache.set("key", 1, version=-1)
    cache.clear()
    assert {key.decode() for key in admin.scan_iter()} == set(foreign)


def test_key_function_that_cannot_be_searched_says_so(cache: Any) -> None:
    """Its keys do not begin with what they have in common."""
    cache = made(KEY_FUNCTION=before_its_version)
    cache.set("key", "value")
    for search in (cache.clear, lambda: cache.keys("*"), lambda: cache.delete_pattern("*")):
        with pytest.raises(ValueError, match="KEY_FUNCTION"):
            search()
    assert cache.get("key") == "value"


# -- whose connection ---------------------------------------------------------------------------


def test_each_call_outside_of_a_request_gives_its_connection_back(cache: Any) -> None:
    """Also one that fails."""
    pool = get_pool()
    cache.set("text", "no number")
    with pytest.raises(Exception, match="not an integer"):
        cache.incr("text")
    assert (pool.stats().in_use, pool.stats().created <= 1) == (0, True)


def test_pool_that_decodes_replies_is_none_the_worse(settings: Any, way: Any) -> None:
    """What is stored is no text."""
    pools = settings.REDIS_POOLS
    pools["default"]["OPTIONS"]["decode_responses"] = True
    settings.REDIS_POOLS = {**pools}
    cache = way(made())
    cache.set_many({str(number): value for number, value in enumerate(VALUES)})
    assert [cache.get(str(number), "nothing") for number in range(len(VALUES))] == VALUES
    assert cache.get_many(map(str, range(len(VALUES)))) == {
        str(number): value for number, value in enumerate(VALUES)
    }
    assert cache.incr("5") == 8
    assert len(cache.keys("*")) == len(VALUES)
    assert cache.delete_pattern("*") == len(VALUES)


def test_fake_server_will_do(settings: Any, way: Any) -> None:
    """For users' tests: all methods, those that run a script included."""
    settings.REDIS_POOLS = {"default": "fakeredis://"}
    cache = made()
    cache.set("hits", 1, 100)
    assert cache.incr("hits") == 2
    assert cache.incr_version("hits") == 2
    assert cache.ttl("hits", version=2) > 90
    cache.clear()
    assert cache.keys("*", version=2) == []


def test_lock_is_redis_pys(cache: Any, admin: Redis) -> None:
    """Under the cache's own name for it, and on the pool."""
    lock = made().lock("report", timeout=10, blocking=False)
    with lock:
        assert admin.exists(":1:report")
        assert not made().lock("report", blocking=False).acquire()
    assert not admin.exists(":1:report")


# -- its methods and its settings -----------------------------------------------------------------


def test_every_method_has_its_twin() -> None:
    """For coroutines, with the same arguments, and not Django's, which uses a thread."""
    public = {name for name in vars(RedisPoolCache) if not name.startswith("_")}
    pairs = [name for name in public if f"a{name}" in public]
    assert public == {*pairs, *(f"a{name}" for name in pairs), "lock", "aclose"}
    for name in pairs:
        mine, twin = (
            inspect.signature(getattr(RedisPoolCache, each)) for each in (name, f"a{name}")
        )
        assert mine.parameters == twin.parameters


def test_no_method_of_djangos_sends_a_coroutine_to_a_thread() -> None:
    """Those that are inherited are made of ours."""
    for name, method in vars(BaseCache).items():
        if name.startswith("a") and inspect.iscoroutinefunction(method):
            assert "sync_to_async" not in what_runs(name), name


def what_runs(name: str) -> str:
    """Return the source of a method of ours, without what Django 6.1 has for overridden twins."""
    twin = name[1:]
    source = inspect.getsource(getattr(RedisPoolCache, name))
    if getattr(RedisPoolCache, twin) is getattr(BaseCache, twin):
        begin = f"        if self.{twin}.__func__ is not BaseCache.{twin}:\n"
        source = re.sub(re.escape(begin) + r"(?: {12}.*\n)+", "", source)
    return source


@pytest.mark.parametrize("length", [200, 247, 248, 300])
@pytest.mark.parametrize("letter", ["a", "ü", " ", "\n", "\x7f", "\x00", "\x21"])
def test_key_is_warned_about_as_django_does(length: int, letter: str) -> None:
    """Of those that memcached would refuse, and of no other."""
    key = letter + "k" * (length - 1)
    cache = made()
    expected = list(memcache_key_warnings(cache.make_key(key)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache.get(key)
    assert [str(each.message) for each in caught] == expected


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ({"LOCATION": "redis://:s3cret@h"}, "['LOCATION']: 'redis://***@h' is not", "REDIS_POOLS"),
        ({"LOCATION": ["a", "b"]}, "['LOCATION']: a value of type list", "REDIS_POOLS"),
        ({"OPTIONS": {"SERIALISER": "json"}}, "['SERIALISER']: is not an", "mean 'SERIALIZER'"),
        ({"OPTIONS": {"serializer": "json"}}, "['serializer']: is not an", "mean 'SERIALIZER'"),
        ({"OPTIONS": {"MAX_ENTRIES": 9}}, "['MAX_ENTRIES']: is not an", "maxmemory-policy"),
        ({"OPTIONS": {"PASSWORD": "s3cret"}}, "['PASSWORD']: is not an option", "URL"),
        ({"OPTIONS": {"SERIALIZER": "jsn"}}, "'jsn' cannot be imported", "mean 'json'"),
        ({"OPTIONS": {"SERIALIZER": "json.nothing"}}, "'json.nothing' cannot", "known are json"),
        ({"OPTIONS": {"SERIALIZER": object}}, "has no dumps() and loads()", "give a class"),
        ({"OPTIONS": {"COMPRESSOR": "zip"}}, "'zip' cannot be imported", "known are bz2"),
        ({"OPTIONS": {"COMPRESSOR": object}}, "is not a compressor", "one of bz2"),
        ({"OPTIONS": {"COMPRESS_MIN_LENGTH": "9"}}, "'9' is not a number of bytes", "whole"),
        ({"OPTIONS": {"COMPRESS_MIN_LENGTH": -1}}, "-1 is not a number of bytes", "whole"),
        ({"OPTIONS": {"COMPRESS_MIN_LENGTH": True}}, "True is not a number of", "whole"),
    ],
)
def test_wrong_entry_is_refused(entry: dict[str, Any], message: str, hint: str) -> None:
    """It names the setting and the way out, and shows no password."""
    with pytest.raises(InvalidCacheBackendError) as caught:
        made(**entry).get("k")
    said = str(caught.value)
    assert message in said
    assert hint in said.partition(message)[2]
    assert "s3cret" not in said


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(InvalidCacheBackendError) as caught:
        made(OPTIONS={"SERIALIZER": "msgpack", "COMPRESSOR": "lz4"}).get("k")
    assert "pip install 'redis-pool-ext[msgpack]'" in str(caught.value)
    assert "pip install 'redis-pool-ext[lz4]'" in str(caught.value)


def test_python_without_a_library_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are built without; that concerns nobody who has not chosen it."""
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(InvalidCacheBackendError, match="this Python was built without it"):
        made(OPTIONS={"COMPRESSOR": "lzma"}).get("k")


def test_several_mistakes_are_told_at_once() -> None:
    """Whoever corrects settings sees all that there is to correct."""
    with pytest.raises(InvalidCacheBackendError) as caught:
        made(LOCATION=3, OPTIONS={"SERIALIZER": "jsn", "NONE": 1}).get("k")
    assert str(caught.value).count("CACHES[...]") == 3
