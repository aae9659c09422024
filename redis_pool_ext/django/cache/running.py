"""How an operation is run: by a thread, or by a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.client import NEVER_DECODE

from ...pooling.base import PoolBase
from .across_nodes import OnNode
from .operations import Command, Operation, T

__all__ = ["arun", "options_for", "run"]

# For a pool that is set to decode replies: what is stored here is no text.
_AS_THEY_ARE: Mapping[str, Any] = {NEVER_DECODE: True}
_NO_OPTIONS: Mapping[str, Any] = {}


def options_for(pool: PoolBase) -> Mapping[str, Any]:
    """Return redis-py's options for the commands of a cache on this pool."""
    return _AS_THEY_ARE if pool.connection_kwargs.get("decode_responses") else _NO_OPTIONS


def run(operation: Operation[T], client: Any, options: Mapping[str, Any]) -> T:
    """Send what the operation yields, and the answers back to it; return what it returns."""
    try:
        asked: Any = operation.send(None)
        while True:
            if isinstance(asked, list):
                answer = _pipeline(client, asked, options).execute()
            elif isinstance(asked, OnNode):
                answer = client.execute_command(*asked.command, target_nodes=asked.node, **options)
            else:
                answer = client.execute_command(*asked, **options)
            asked = operation.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def arun(operation: Operation[T], client: Any, options: Mapping[str, Any]) -> T:
    """Do the same in a coroutine."""
    try:
        asked = operation.send(None)
        while True:
            if isinstance(asked, list):
                answer = await _pipeline(client, asked, options).execute()
            else:
                answer = await client.execute_command(*asked, **options)
            asked = operation.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _pipeline(client: Any, commands: list[Command], options: Mapping[str, Any]) -> Any:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command, **options)
    return pipeline
