# mypy: disable-error-code="no-untyped-call"
"""Listening to the commands of one request, for debug panels.

Nothing is there to be paid until a panel is first used: then the methods of redis-py that tracing
tools wrap are wrapped here, too, and those of the pools that lend and take back. From then on a
command costs a look at a context variable, and more only in a request that is recorded. It
still takes its short way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from time import monotonic
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.client import Pipeline as AsyncPipeline
from redis.client import Pipeline
from redis.cluster import ClusterPipeline, RedisCluster

from ..aio.client import LeasedAsyncRedis
from ..aio.pool import AsyncRedisPool
from ..forks import ProcessLock
from ..pool import RedisPool
from ..pooling.base import PoolBase
from .recording import Command, Recording, Taking, shown, shown_pipeline

__all__ = ["recording", "start", "stop", "unwrap"]

_current: ContextVar[Recording | None] = ContextVar("redis_pool_ext_recording", default=None)
# Whether this is inside of a command that is recorded: one client calls another one.
_is_inside: ContextVar[bool] = ContextVar("redis_pool_ext_is_inside", default=False)

# On a connection that is out: the record of that.
_MARK = "_redis_pool_ext_taking"

Describe = Callable[[Any, tuple[Any, ...]], tuple[str, str]]


def start() -> Recording:
    """Record from now on what this request, and what it starts, does with Redis."""
    _wrap_all()
    recording = Recording()
    _current.set(recording)
    return recording


def stop() -> None:
    """Record no more here; connections that are out note when they come back nevertheless."""
    # Not ContextVar.reset(): a request may end in another context than it began in.
    _current.set(None)


@contextmanager
def recording() -> Generator[Recording, None, None]:
    """Record what is done in the block: `with recording() as seen: ...`."""
    before = _current.get()
    try:
        yield start()
    finally:
        _current.set(before)


# -- commands ------------------------------------------------------------------------------


def _one(_client: Any, args: tuple[Any, ...]) -> tuple[str, str]:
    return shown(args)


def _many(pipeline: Any, _args: tuple[Any, ...]) -> tuple[str, str]:
    of_cluster = getattr(pipeline, "_execution_strategy", None)
    if of_cluster is None:
        stack = [args for args, _ in pipeline.command_stack]
    else:
        stack = [command.args for command in of_cluster.command_queue]
    return f"PIPELINE of {len(stack)}", shown_pipeline(stack)


@contextmanager
def _timed(recording: Recording, name: str, argument: str) -> Generator[None, None, None]:
    command, began = Command(name, argument, 0.0), monotonic()
    _is_inside.set(True)  # only who is not inside comes here
    try:
        yield
    except BaseException as error:
        command.error = type(error).__name__
        raise
    finally:
        _is_inside.set(False)  # not reset(): a task that is dropped ends in another context
        command.seconds = monotonic() - began
        recording.add(command)


def _listening() -> Recording | None:
    recording = _current.get()
    return None if recording is None or _is_inside.get() else recording


def _heard(original: Any, describe: Describe) -> Any:
    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _listening()
        if recording is None:
            return original(self, *args, **kwargs)
        with _timed(recording, *describe(self, args)):
            return original(self, *args, **kwargs)

    return method


def _aheard(original: Any, describe: Describe) -> Any:
    @wraps(original)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _listening()
        if recording is None:
            return await original(self, *args, **kwargs)
        with _timed(recording, *describe(self, args)):
            return await original(self, *args, **kwargs)

    return method


# -- connections ---------------------------------------------------------------------------


@contextmanager
def _noted(recording: Recording, pool: Any) -> Generator[list[Any], None, None]:
    """Record how long it takes to get the connection that is put into the list, or why none is."""
    began, got, error = monotonic(), list[Any](), None
    try:
        yield got
    except BaseException as reason:
        error = type(reason).__name__
        raise
    finally:
        now = monotonic()
        taking = Taking(pool.alias, now - began, now, error=error)
        recording.add(taking)
        for connection in got:
            vars(connection)[_MARK] = taking


def _taking(original: Any) -> Any:
    @wraps(original)
    def get_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _current.get()
        if recording is None:
            return original(self, *args, **kwargs)
        with _noted(recording, self) as got:
            got.append(original(self, *args, **kwargs))
        return got[0]

    return get_connection


def _ataking(original: Any) -> Any:
    @wraps(original)
    async def get_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _current.get()
        if recording is None:
            return await original(self, *args, **kwargs)
        with _noted(recording, self) as got:
            got.append(await original(self, *args, **kwargs))
        return got[0]

    return get_connection


def _giving(original: Any) -> Any:
    @wraps(original)
    def take_back(self: Any, connection: Any) -> Any:
        # Before: a moment later it may be somebody else's.
        taking = getattr(connection, "__dict__", {}).pop(_MARK, None)
        if taking is not None:
            taking.returned_at = monotonic()
        return original(self, connection)

    return take_back


# -- in and out ----------------------------------------------------------------------------

# Whose method, its name, and what is put around it.
_PLACES: tuple[tuple[type[Any], str, Callable[[Any], Any]], ...] = (
    (redis.Redis, "execute_command", lambda original: _heard(original, _one)),
    (RedisCluster, "execute_command", lambda original: _heard(original, _one)),
    (Pipeline, "immediate_execute_command", lambda original: _heard(original, _one)),
    (Pipeline, "execute", lambda original: _heard(original, _many)),
    (ClusterPipeline, "execute", lambda original: _heard(original, _many)),
    (redis.asyncio.Redis, "execute_command", lambda original: _aheard(original, _one)),
    (LeasedAsyncRedis, "execute_command", lambda original: _aheard(original, _one)),
    (AsyncPipeline, "immediate_execute_command", lambda original: _aheard(original, _one)),
    (AsyncPipeline, "execute", lambda original: _aheard(original, _many)),
    (RedisPool, "get_connection", _taking),
    (AsyncRedisPool, "get_connection", _ataking),
    (RedisPool, "release", _giving),
    (PoolBase, "take_back", _giving),
)

# Protects the one below: the first requests may come at the same time.
_lock = ProcessLock()
_wrapped: list[tuple[type[Any], str, Any, Any]] = []


def _wrap_all() -> None:
    """Put the wrappers in; a second time changes nothing."""
    with _lock.mine():
        if _wrapped:
            return
        for owner, name, wrap in _PLACES:
            own = vars(owner).get(name)  # None: it is inherited
            method = wrap(getattr(owner, name))
            setattr(owner, name, method)
            _wrapped.append((owner, name, own, method))


def unwrap() -> None:
    """Take the wrappers out again, those that nobody has put another one around."""
    with _lock.mine():
        for owner, name, own, method in _wrapped:
            if vars(owner).get(name) is method:
                if own is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, own)
        _wrapped.clear()
