"""What others put around redis-py's client sees the leased client's commands, too."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from .pairs import pair
from .replies import ERROR, OK
from .stub import HANG_UP


def use(client: redis.Redis) -> None:
    """Do a bit of everything."""
    client.set("k", "v", ex=100)
    client.get("k")
    client.execute_command("CONFIG GET", "timeout")
    client.hgetall("h")
    client.mget(["k", "l"])
    with pytest.raises(redis.ResponseError):
        client.incr("k")
    with pytest.raises(redis.DataError):
        client.set("k", None)
    list(client.scan_iter())
    for transaction in (True, False):
        client.pipeline(transaction).set("k", 1).get("k").execute()
    with client.pipeline() as pipeline:
        pipeline.watch("k")
        pipeline.get("k")
        pipeline.multi()
        pipeline.set("k", 2)
        pipeline.execute()
    client.transaction(lambda p: p.get("k"), "k")
    with client.lock("lock", timeout=5):
        pass
    client.register_script("return 1")()


def normalised(value: Any) -> Any:
    """Leave out what differs each time: a lock's token, a client's connection."""
    if isinstance(value, bytes) and len(value) == 32:
        return "token"
    if isinstance(value, tuple):
        return tuple(map(normalised, value))
    return value if isinstance(value, str | bytes | int | None) else type(value).__name__


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from value
        elif isinstance(value, dict):
            yield from value.items()
        elif not isinstance(value, redis.Connection):
            yield value


@pytest.fixture
def url(real_server) -> str:
    with real_server.admin() as admin:
        admin.flushall()
        admin.script_flush()
    return real_server.url


WRAPPED = [
    (redis.Redis, "execute_command"),
    (redis.Redis, "parse_response"),
    (redis.Redis, "get"),
    (Pipeline, "execute"),
    (Pipeline, "execute_command"),
    (Pipeline, "immediate_execute_command"),
    (Pipeline, "pipeline_execute_command"),
]


@pytest.mark.parametrize(("kind", "name"), WRAPPED, ids=lambda x: getattr(x, "__name__", x))
def test_wrapped_method_is_called_the_same(url, monkeypatch, kind, name):
    """As tracing tools wrap them, after the pool was made: same arguments, each once."""
    seen: list[Any] = []
    original = getattr(kind, name)

    def wrapper(self, *args, **kwargs):
        stack = [queued[0] for queued in getattr(self, "command_stack", ())]
        bound = inspect.signature(original).bind(None, *args, **kwargs)
        bound.apply_defaults()
        given = [normalised(arg) for arg in _flat(bound.arguments.values())]
        seen.append((given, stack, self.connection_pool.connection_kwargs["port"]))
        return original(self, *args, **kwargs)

    with pair(url) as both:
        for client in both:
            client.ping()
        monkeypatch.setattr(kind, name, wrapper)
        logs = []
        for client in both:
            with redis.Redis.from_url(url) as admin:
                admin.flushall()
                admin.script_flush()
            seen.clear()
            use(client)
            logs.append(list(seen))
    assert logs[0] == logs[1]
    assert logs[0]


def test_wrapper_may_change_what_is_sent_and_what_comes(url, monkeypatch):
    """It is in the way of the command, not beside it."""
    original = redis.Redis.execute_command

    def wrapper(self, *args, **kwargs):
        if args[0] == "GET":
            return ["wrapped", original(self, "GET", f"prefix:{args[1]}", **kwargs)]
        return original(self, *args, **kwargs)

    monkeypatch.setattr(redis.Redis, "execute_command", wrapper)
    with pair(url) as both:
        for client in both:
            client.set("prefix:k", "v")
            assert client.get("k") == ["wrapped", b"v"]


def test_wrapper_sees_the_exception(url, monkeypatch):
    """Of a command that failed, and may replace it."""
    original = redis.Redis.execute_command

    def wrapper(self, *args, **kwargs):
        try:
            return original(self, *args, **kwargs)
        except redis.ResponseError as error:
            return str(error)

    monkeypatch.setattr(redis.Redis, "execute_command", wrapper)
    with pair(url) as (ours, theirs):
        theirs.set("k", "v")
        assert ours.incr("k") == theirs.incr("k") == "value is not an integer or out of range"


@pytest.mark.parametrize("name", ["execute_command", "parse_response"])
def test_method_replaced_on_one_client_is_used(url, name):
    """On the object itself, as some tools and tests do."""
    with pair(url) as both:
        logs = []
        for client in both:
            seen = []
            original = getattr(client, name)

            def wrapper(*args, original=original, seen=seen, **kwargs):
                seen.append([arg for arg in args if isinstance(arg, str)])
                return original(*args, **kwargs)

            setattr(client, name, wrapper)
            client.set("k", "v")
            client.get("k")
            logs.append(seen)
    assert logs[0] == logs[1]
    assert len(logs[0]) == 2


class Watching(redis.Connection):
    """A connection class of a program's own."""

    seen: list[Any] = []  # noqa: RUF012  one list for all of its objects is what is wanted

    def send_command(self, *args, **kwargs):
        self.seen.append(("send", args))
        return super().send_command(*args, **kwargs)

    def send_packed_command(self, command, *args, **kwargs):
        whole = b"".join(command) if isinstance(command, list) else command
        self.seen.append(("packed", whole))
        return super().send_packed_command(command, *args, **kwargs)

    def read_response(self, *args, **kwargs):
        response = super().read_response(*args, **kwargs)
        self.seen.append(("read", response))
        return response


def test_connection_class_of_ones_own_sees_the_same(stub):
    """Its methods are called for each command: what they add is not left out."""
    stub.reply = b":1\r\n"
    theirs = redis.Redis(
        connection_pool=redis.ConnectionPool(
            connection_class=Watching, host="127.0.0.1", port=stub.port, protocol=2
        )
    )
    options = {"connection_class": Watching, "protocol": 2}
    with pair(stub.url, **options) as (ours, _):
        logs = []
        for client in (ours, theirs):
            client.ping()
            Watching.seen.clear()
            client.incr("k")
            client.execute_command("MEMORY USAGE", "k")
            client.pipeline(transaction=False).incr("k").incr("k").execute()
            logs.append(list(Watching.seen))
    theirs.connection_pool.disconnect()
    assert logs[0] == logs[1]
    assert len(logs[0]) == 9


# -- redis-py's own metrics ----------------------------------------------------------------


class Collector:
    """Stands for redis-py's collector, which needs OpenTelemetry."""

    def __init__(self) -> None:
        self.recorded: list[Any] = []

    def record_operation_duration(self, **what: Any) -> None:
        assert what.pop("duration_seconds") >= 0
        self._note("duration", what)

    def record_error_count(self, **what: Any) -> None:
        self._note("error", what)

    def _note(self, kind: str, what: dict[str, Any]) -> None:
        error = what.pop("error_type", None)
        self.recorded.append((kind, type(error).__name__, what))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("record_"):  # of connections and pools, which are not redis-py's
            return lambda *_args, **_kwargs: None
        raise AttributeError(name)


@pytest.fixture
def collector(monkeypatch) -> Collector:
    recorder = pytest.importorskip("redis.observability.recorder")
    collector = Collector()
    monkeypatch.setattr(recorder, "_metrics_collector", collector)
    return collector


def recorded(collector: Collector, client: redis.Redis, calls) -> list[Any]:
    client.flushall()
    client.script_flush()
    collector.recorded.clear()
    calls(client)
    return list(collector.recorded)


def test_metrics_of_commands_are_the_same(url, collector):
    """One duration for each command, with its name, server and database; errors counted."""
    with pair(url) as (ours, theirs):
        mine = recorded(collector, ours, use)
        other = recorded(collector, theirs, use)
    assert mine == other
    assert mine


def test_metrics_of_retries_are_the_same(stub, collector):
    """Each failed attempt is recorded, and how many there were."""

    def calls(client):
        answers = iter([HANG_UP, HANG_UP, OK, HANG_UP, HANG_UP, HANG_UP, ERROR])
        stub.reply = lambda _words: next(answers, OK)
        client.set("k", 1)
        with pytest.raises(redis.ConnectionError):
            client.set("k", 1)
        with pytest.raises(redis.ResponseError):
            client.set("k", 1)
        stub.reply = OK

    with pair(stub.url, retry=Retry(NoBackoff(), 2)) as (ours, theirs):
        mine = recorded(collector, ours, calls)
        other = recorded(collector, theirs, calls)
    assert mine == other
    assert mine


def test_metrics_switched_on_later_are_recorded(url, monkeypatch):
    """Also when the lease was in use before."""
    recorder = pytest.importorskip("redis.observability.recorder")
    with pair(url) as (ours, theirs):
        for client in (ours, theirs):
            client.ping()
        collector = Collector()
        monkeypatch.setattr(recorder, "_metrics_collector", collector)
        assert recorded(collector, ours, use) == recorded(collector, theirs, use)
        assert len(collector.recorded) > 10
