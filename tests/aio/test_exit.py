"""The end of the interpreter, with loops and pools that nobody closed: it says nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from ..support.pages import ROOT

BEGIN = """
import asyncio, logging, os, sys
logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of what takes 0.1 s
from redis_pool_ext import (
    AsyncRedisPool, configure, get_async_pool, get_async_redis, lease_scope
)
url = sys.argv[1]
configure({"default": url})
pool = AsyncRedisPool.from_url(url)

async def main():
    await pool.client.ping()
    await get_async_redis().ping()
"""

ENDINGS = {
    "pools that nobody closed": "asyncio.run(main())",
    "two loops": "asyncio.run(main()); asyncio.run(main())",
    "a lease that nobody ended": """
kept = []
async def leave():
    kept.append(pool.lease().client())
    kept.append(kept[0].pubsub())
    await kept[0].ping()
    await kept[1].subscribe("news")
asyncio.run(leave())
""",
    "a pipeline that watches": """
kept = []
async def leave():
    kept.append(pool.lease().client().pipeline())
    await kept[0].watch("key")
asyncio.run(leave())
""",
    "a task in the middle of a command": """
async def leave():
    task = asyncio.create_task(pool.client.blpop("empty"))
    while not pool.stats().in_use:
        await asyncio.sleep(0)
    kept.append(task)
kept = []
asyncio.run(leave())
""",
    "sys.exit() in a coroutine": """
async def leave():
    with lease_scope():
        await main()
        sys.exit(0)
asyncio.run(leave())
""",
    "async_to_sync": """
from asgiref.sync import async_to_sync
async_to_sync(main)()
async_to_sync(main)()
""",
    "uvloop": """
import uvloop
if sys.version_info >= (3, 12):
    uvloop.run(main())
else:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
""",
    "a loop in a daemon thread": """
import threading
loop, used = asyncio.new_event_loop(), threading.Event()
async def use():
    await main()
    used.set()
def serve():
    loop.create_task(use())
    loop.run_forever()
threading.Thread(target=serve, daemon=True).start()
used.wait()
""",
    "a loop that was just closed": """
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
""",
    "a child of a fork in a loop": """
import warnings
async def fork():
    await main()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which DNS may have
        pid = os.fork()
    if pid == 0:
        asyncio.run(main())
        sys.stdout.flush()
        raise SystemExit
    assert os.waitpid(pid, 0)[1] == 0
    await main()
asyncio.run(fork())
""",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_end_of_the_interpreter_says_nothing(url, ending: str):
    """Not even in development mode, with warnings being errors."""
    for library in ("uvloop", "asgiref"):
        if library in ENDINGS[ending] and find_spec(library) is None:
            pytest.skip(f"without {library}")
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", BEGIN + ENDINGS[ending], url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
