"""Whether somebody wants to see each step of a task's command."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import redis.asyncio
import redis.asyncio.client

recorder: Any
try:
    from redis.asyncio.observability import recorder
except ImportError:  # redis-py before 7.2
    recorder = None

__all__ = ["is_watched"]

_Redis: Any = redis.asyncio.Redis


def _own(name: str) -> Any:
    """Return redis-py's own method; None if somebody had wrapped it before we came."""
    function = getattr(_Redis, name)
    is_own = type(function) is FunctionType
    is_own = is_own and function.__code__.co_filename == redis.asyncio.client.__file__
    return function if is_own else None


# redis-py's asyncio client has no inner method to put ours in the place of: tools that trace
# wrap the one that ours overrides. Where one did, commands go redis-py's way, by that tool.
_EXECUTE, _PARSE = _own("execute_command"), _own("parse_response")


def is_watched() -> bool:
    """Tell whether a command's steps are watched; asked for each command."""
    return (
        _Redis.execute_command is not _EXECUTE
        or _Redis.parse_response is not _PARSE
        or (recorder is not None and recorder._async_metrics_collector is not None)
    )
