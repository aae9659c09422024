"""What a request can call, once with a client of threads and once with one of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

__all__ = ["CALLS", "CALLS_OF_TASKS", "WAITING"]

Call = Callable[[Any], Any]

FOREVER = 30  # seconds

# -- threads -------------------------------------------------------------------------------


def twenty_commands(client: Any) -> None:
    """A view that is content without Redis, twenty times."""
    for _ in range(20):
        try:
            client.get("key")
        except redis.RedisError as error:
            last = error
    raise last


def pipeline(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        pipe.get("key").get("other").execute()


def transaction(client: Any) -> None:
    with client.pipeline() as pipe:
        pipe.set("key", 1).set("other", 2).execute()


def watched_transaction(client: Any) -> None:
    with client.pipeline() as pipe:
        pipe.watch("key")
        pipe.multi()
        pipe.set("key", 1)
        pipe.execute()


def listening(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.subscribe("channel")
        for _message in pubsub.listen():
            pass


def asking_for_messages(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.subscribe("channel")
        while True:
            pubsub.get_message(timeout=FOREVER)


def monitoring(client: Any) -> None:
    with client.monitor() as monitor:
        for _command in monitor.listen():
            pass


def locking(client: Any) -> None:
    client.set("lock", "somebody's")
    client.lock("lock").acquire()


def retaking(client: Any) -> None:
    client.release()
    client.get("key")


CALLS: dict[str, Call] = {
    "read": lambda client: client.get("key"),
    "write": lambda client: client.set("key", "value"),
    "twenty commands": twenty_commands,
    "pipeline": pipeline,
    "transaction": transaction,
    "watched transaction": watched_transaction,
    "transaction()": lambda client: client.transaction(lambda pipe: pipe.get("key"), "key"),
    "blpop": lambda client: client.blpop("queue", FOREVER),
    "blpop for ever": lambda client: client.blpop("queue", 0),
    "xread": lambda client: client.xread({"stream": "$"}, block=1000 * FOREVER),
    "wait": lambda client: client.wait(3, 1000 * FOREVER),
    "listen": listening,
    "get_message": asking_for_messages,
    "monitor": monitoring,
    "lock": locking,
    "script": lambda client: client.register_script("return 1")(),
    "scan": lambda client: list(client.scan_iter()),
    "release and retake": retaking,
}

# -- tasks ---------------------------------------------------------------------------------


async def twenty_commands_of_a_task(client: Any) -> None:
    for _ in range(20):
        try:
            await client.get("key")
        except redis.RedisError as error:
            last = error
    raise last


async def pipeline_of_a_task(client: Any) -> None:
    async with client.pipeline(transaction=False) as pipe:
        await pipe.get("key").get("other").execute()


async def transaction_of_a_task(client: Any) -> None:
    async with client.pipeline() as pipe:
        await pipe.set("key", 1).set("other", 2).execute()


async def watched_transaction_of_a_task(client: Any) -> None:
    async with client.pipeline() as pipe:
        await pipe.watch("key")
        pipe.multi()
        pipe.set("key", 1)
        await pipe.execute()


async def read_in_transaction(pipe: Any) -> None:
    await pipe.get("key")


async def listening_task(client: Any) -> None:
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("channel")
        async for _message in pubsub.listen():
            pass


async def task_that_asks_for_messages(client: Any) -> None:
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("channel")
        while True:
            await pubsub.get_message(timeout=FOREVER)


async def monitoring_task(client: Any) -> None:
    async with client.monitor() as monitor:
        async for _command in monitor.listen():
            pass


async def locking_task(client: Any) -> None:
    await client.set("lock", "somebody's")
    await client.lock("lock").acquire()


async def scanning_task(client: Any) -> None:
    async for _key in client.scan_iter():
        pass


async def retaking_task(client: Any) -> None:
    await client.release()
    await client.get("key")


CALLS_OF_TASKS: dict[str, Call] = {
    **CALLS,  # those that return what can be awaited
    "twenty commands": twenty_commands_of_a_task,
    "pipeline": pipeline_of_a_task,
    "transaction": transaction_of_a_task,
    "watched transaction": watched_transaction_of_a_task,
    "transaction()": lambda client: client.transaction(read_in_transaction, "key"),
    "listen": listening_task,
    "get_message": task_that_asks_for_messages,
    "monitor": monitoring_task,
    "lock": locking_task,
    "scan": scanning_task,
    "release and retake": retaking_task,
}

# Those that wait for something to come, and do so when the server is well, too.
WAITING = "blpop", "blpop for ever", "xread", "wait", "listen", "get_message", "monitor", "lock"
