"""The client that other libraries keep: in a scope it is the lease, elsewhere it borrows."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import redis

import redis_pool_ext
from redis_pool_ext import (
    ConfigError,
    ConnectionPoolTimeoutError,
    LeaseError,
    RedisPool,
    get_pool,
    get_redis,
    lease_scope,
    shared_redis,
)

# Made before there are settings, as other libraries' are: at import.
client = shared_redis()


@pytest.fixture
def pool(url: str) -> RedisPool:
    """The process's pool; with two connections, and no time to wait for a third."""
    redis_pool_ext.configure({"default": {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 0.05}})
    return get_pool()


@pytest.fixture(params=["shared client", "redis-py's client on its pool"])
def kept(request: pytest.FixtureRequest, pool: RedisPool) -> redis.Redis:
    """What a library keeps: the client, or one that it has made on the pool."""
    if request.param == "shared client":
        return client
    return redis.Redis(connection_pool=client.connection_pool)


@contextmanager
def scope_on_the_only_connection() -> Iterator[None]:
    """A scope whose lease has its connection; nobody else gets one."""
    get_pool().warm_up(2, timeout=10)  # a dial may take longer than nobody has to wait here
    with get_pool().lease() as other, lease_scope():
        other.ping()
        get_redis().ping()
        assert get_pool().stats().in_use == 2
        yield


USES = {
    "a command": lambda client: client.set("key", "value"),
    "a pipeline": lambda client: client.pipeline().set("key", "value").execute(),
    "a transaction": lambda client: client.transaction(
        lambda pipe: (pipe.multi(), pipe.set("key", "value")), "key"
    ),
    "a lock": lambda client: client.lock("lock", timeout=5).acquire(blocking=False),
    "a script": lambda client: client.register_script("return redis.call('incr', 'n')")(),
    "an iteration": lambda client: list(client.scan_iter()),
    "a blocking command": lambda client: client.blpop("nothing", timeout=0.01),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_in_a_scope_every_use_stays_on_the_lease(kept, use):
    """There is no second connection to be had, and none is asked for."""
    with scope_on_the_only_connection():
        use(kept)
        assert get_pool().stats().waited == 0


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_outside_of_a_scope_every_use_gives_its_connection_back(kept, use):
    """It borrows for the length of the command."""
    use(kept)
    gc.collect()  # a pipeline may end with its object
    assert (get_pool().stats().in_use, get_pool().stats().idle) == (0, 1)


def test_outside_of_a_scope_an_exhausted_pool_raises(kept):
    """As any other client of the pool."""
    with (
        scope_on_the_only_connection(),
        ThreadPoolExecutor() as executor,
        pytest.raises(ConnectionPoolTimeoutError),
    ):
        executor.submit(kept.ping).result()


def test_scope_sees_what_was_sent_by_the_shared_client_first(kept):
    """A WATCH by one and a write by the other are on one connection, in order."""
    with lease_scope():
        pipe = kept.pipeline()
        pipe.watch("key")
        get_redis().set("key", "mine")
        pipe.multi()
        pipe.get("key")
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_pubsub_in_a_scope_comes_back_with_it(pool):
    """It has a connection of its own, in the pool's books."""
    with lease_scope():
        pubsub = client.pubsub()
        pubsub.subscribe("news")
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0


def test_pubsub_of_a_client_on_its_pool_shares_the_lease(pool):
    """redis-py asks the pool for a connection, and cannot say what for; it is closed after."""
    kept = redis.Redis(connection_pool=client.connection_pool)
    with lease_scope():
        with kept.pubsub() as pubsub:
            pubsub.subscribe("news")
            assert pubsub.get_message(timeout=1)["type"] == "subscribe"
        assert get_redis().ping()
    assert pool.stats().in_use == 0


def test_connection_goes_back_to_its_lease_when_its_scope_is_over(pool):
    """A pipeline that outlives its request lets go of what is somebody else's by then."""
    kept = redis.Redis(connection_pool=client.connection_pool)
    with lease_scope():
        pipe = kept.pipeline()
        pipe.watch("key")
    with pool.lease() as other:
        other.set("key", "theirs")
        pipe.reset()
        assert other.get("key") == b"theirs"
    assert pool.stats().in_use == 0


def test_connection_that_somebody_else_has_by_now_is_not_taken_from_them(pool):
    """Also where nothing is left of the lease but the connection that was taken from it."""
    shared = client.connection_pool
    with lease_scope():
        connection = shared.get_connection()
        shared.release(connection)
    with pool.lease() as other:
        other.ping()
        assert other.connection_pool.held == [connection]
        shared.release(connection)
        assert pool.stats().in_use == 1
    assert pool.stats().double_releases == 0


def test_connection_of_a_dropped_lease_goes_back_to_the_pool(pool):
    """Whoever had it last gives it back, and the slot is free again."""
    shared = client.connection_pool
    scope = redis_pool_ext.scope.Scope()
    before = redis_pool_ext.scope.enter_scope(scope)
    connection = shared.get_connection()
    redis_pool_ext.scope.leave_scope(before)
    del scope
    gc.collect()
    assert connection.lender[0]() is None
    shared.release(connection)
    del connection
    assert pool.stats().in_use == 0


def test_scope_that_ends_leaves_no_cycle(pool):
    """The connection must not keep the lease that it was taken from."""
    kept = redis.Redis(connection_pool=client.connection_pool)
    kept.ping()  # the first dial of all leaves something of its own
    gc.collect()
    gc.disable()
    try:
        with lease_scope():
            kept.get("key")
            kept.pipeline().get("key").execute()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_closing_it_closes_nothing(kept, pool):
    """Whoever closes a client that was lent to it does not close everybody's connections."""
    with pool.lease() as other:
        other.ping()
        kept.ping()
        with kept:
            pass
        kept.close()
        kept.connection_pool.disconnect()
        kept.connection_pool.reset()
        kept.connection_pool.close()
        assert other.ping()
    stats = pool.stats()
    assert (stats.created, stats.idle, stats.is_closed) == (2, 2, False)


def test_alias_is_looked_up_at_each_use(url):
    """Settings may change after it was made, and it may be made before there are any."""
    other = shared_redis("other")
    with pytest.raises(ConfigError, match="other"):
        other.ping()
    redis_pool_ext.configure({"other": {"URL": url, "OPTIONS": {"client_name": "first"}}})
    assert other.client_getname() == "first"
    redis_pool_ext.configure({"other": {"URL": url, "OPTIONS": {"client_name": "second"}}})
    assert other.client_getname() == "second"


def test_it_is_a_redis_client_and_says_so(pool):
    """Libraries ask with isinstance(), for the encoder, and for the connection's arguments."""
    assert isinstance(client, redis.Redis)
    assert client.get_encoder().encode("a") == b"a"
    assert client.get_connection_kwargs() == pool.connection_kwargs
    assert client.client().ping()
    assert repr(client) == "<SharedRedis>"
    assert repr(client.connection_pool) == "<SharedPool>"
    assert bool(client.connection_pool)


@pytest.mark.parametrize("scope", [lease_scope, nullcontext], ids=["in a scope", "outside"])
def test_response_callback_is_its_own(pool, scope):
    """Nobody else's replies change, and its pipelines have it as well."""
    own = shared_redis()
    own.set_response_callback("GET", lambda reply, **_: reply and reply.decode())
    with scope():
        own.set("key", "value")
        assert own.get("key") == "value"
        assert own.pipeline().get("key").execute() == ["value"]
        assert client.get("key") == get_redis().get("key") == b"value"
        assert pool.stats().created == 1
    assert client.response_callbacks is not own.response_callbacks


@pytest.mark.parametrize("module", ["json", "ft", "ts", "bf", "cf", "cms", "topk", "tdigest"])
def test_commands_of_a_module_are_to_be_had(pool, module):
    """redis-py sets response callbacks for them on the client that it is asked for."""
    assert getattr(shared_redis(), module)().client
    with lease_scope():
        assert getattr(shared_redis(), module)().client


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["shallow", "deep"])
def test_copy_is_the_same_object(duplicate):
    """Libraries copy the configuration that it stands in."""
    assert duplicate({"SESSION_REDIS": client})["SESSION_REDIS"] is client
    assert duplicate([client.connection_pool])[0] is client.connection_pool


def test_pickled_it_finds_the_pool_of_the_same_alias(pool):
    """It looks the alias up where it arrives, in a child process say."""
    arrived, its_pool = pickle.loads(pickle.dumps((client, client.connection_pool)))

    assert arrived.ping()
    assert its_pool.pool is pool


def test_same_class_with_arguments_of_redis_py_is_a_plain_client(pool, url):
    """RQ makes a client of the same class for its other processes, on a pool of their own."""
    kind, kwargs = type(client), client.connection_pool.connection_kwargs
    plain = redis.ConnectionPool(connection_class=client.connection_pool.connection_class, **kwargs)

    for made in (kind(connection_pool=plain), kind.from_url(url), kind(kwargs["host"])):
        assert type(made) is redis.Redis
        made.connection_pool.disconnect()
    with kind(connection_pool=plain) as made:
        assert made.ping()
    plain.disconnect()
    assert pool.stats().created == 0


def test_what_a_library_writes_to_the_arguments_stays_its_own(pool):
    """RQ's worker sets a `socket_timeout` of minutes there; it would be everybody's."""
    client.connection_pool.connection_kwargs.update(socket_timeout=415)

    assert "socket_timeout" not in pool.connection_kwargs
    assert "socket_timeout" not in client.connection_pool.connection_kwargs


def test_wrapped_execute_command_sees_each_command(pool, monkeypatch):
    """Tracing tools wrap redis-py's method, and it is one command to them, not two."""
    seen: list[Any] = []
    execute = redis.Redis.execute_command

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(args[0])
        return execute(self, *args, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", traced)
    client.get("key")
    with lease_scope():
        client.get("key")
    assert seen == ["GET", "GET"]


def test_threads_in_scopes_of_their_own_never_meet(url):
    """Each reads what it wrote, from a client that all of them share."""
    redis_pool_ext.configure({"default": {"URL": url, "MAX_CONNECTIONS": 4, "TIMEOUT": 10}})
    start = threading.Barrier(8)
    kept = redis.Redis(connection_pool=client.connection_pool)

    def work(number: int) -> int:
        start.wait()
        wrong = 0
        for turn in range(100):
            with lease_scope():
                client.set(f"key {number}", turn)
                wrong += kept.get(f"key {number}") != str(turn).encode()
            wrong += client.get(f"key {number}") != str(turn).encode()
        return wrong

    with ThreadPoolExecutor(8) as executor:
        assert sum(executor.map(work, range(8))) == 0
    stats = get_pool().stats()
    assert (stats.in_use, stats.created <= 4) == (0, True)


def test_lease_that_has_ended_is_not_used_again(pool):
    """A client for one scope is none for the next; the shared one is."""
    with lease_scope():
        leased = get_redis()
        leased.ping()
    with lease_scope():
        with pytest.raises(LeaseError):
            leased.ping()
        assert client.ping()
