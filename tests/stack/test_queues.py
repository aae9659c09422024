"""Huey, Dramatiq and Channels on the pool, by docs/task-queues.md."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.support.pages import DOCS

from .pages import Folder, files_of
from .shop import Watch

FILES = files_of(DOCS / "task-queues.md")

HUEY = """
from huey_tasks import count_words, huey
from redis_pool_ext import get_pool, get_redis, lease_scope

with lease_scope():
    get_redis().ping()
    results = [count_words("one process one pool") for _ in range(3)]
    assert len(huey) == 3
    assert get_pool().stats().in_use == 1
assert get_pool().stats().acquired == 1

consumer = huey.create_consumer(workers=3)
consumer.start()
counts = sorted(result.get(blocking=True, timeout=20) for result in results)
consumer.stop(graceful=True)
print(counts, get_pool().stats().in_use)
"""

DRAMATIQ = """
from dramatiq_tasks import count_words, dramatiq
from redis_pool_ext import get_pool, get_redis, lease_scope

broker = dramatiq.get_broker()
with lease_scope():
    get_redis().ping()
    for _ in range(3):
        count_words.send("one process one pool")
    assert get_pool().stats().in_use == 1
assert get_pool().stats().acquired == 1

worker = dramatiq.Worker(broker, worker_threads=3, worker_timeout=50)
worker.start()
broker.join(count_words.queue_name, timeout=20_000)
worker.join()
worker.stop()
print(int(get_redis().get("words")), get_pool().stats().in_use)
"""

CHANNELS = """
import asyncio, os
from django.conf import settings
settings.configure()
import redis_pool_ext
from layers import PooledChannelLayer
from redis_pool_ext import get_async_pool

redis_pool_ext.configure({"channels": {"URL": os.environ["REDIS_URL"], "MAX_CONNECTIONS": 3}})
layer = PooledChannelLayer()

async def chat(number):
    name = await layer.new_channel()
    await layer.group_add("room", name)
    await layer.group_send("room", {"type": "said", "by": number})
    return (await layer.receive(name))["type"]

async def main():
    said = await asyncio.wait_for(asyncio.gather(*map(chat, range(8))), 20)
    stats = get_async_pool("channels").stats()
    await layer.flush()
    return said, stats.created, stats.in_use

for _ in range(2):  # a second event loop has a pool of its own
    print(asyncio.run(main()))
"""


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Folder:
    """The page's files; its connections are called "ours" on the server."""
    made = Folder(tmp_path, REDIS_URL=f"{url}?client_name=ours")
    made.write(FILES)
    return made


@pytest.mark.parametrize(
    ("program", "result"),
    [
        pytest.param(HUEY, "[4, 8, 12] 0\n", id="Huey"),
        pytest.param(DRAMATIQ, "12 0\n", id="Dramatiq"),
    ],
)
def test_queue_is_filled_on_the_lease_and_emptied_within_the_bound(
    folder: Folder, watch: Watch, program: str, result: str
):
    """A request's three tasks on one connection, and a worker with several threads on four."""
    with watch:
        assert folder.run("-c", program) == result
    assert watch.peak == watch.names["ours"] <= 4


def test_channel_layer_is_on_the_pool_of_its_loop(folder: Folder, admin: redis.Redis, watch: Watch):
    """Eight consumers talk over three connections; nobody else's are seen on the server."""
    with watch:
        said = folder.run("-c", CHANNELS).splitlines()
    for line in said:
        messages, created, _ = eval(line)
        assert (messages, created <= 3) == (["said"] * 8, True)
    assert watch.peak == watch.names["ours"] <= 3
