"""Another process with a pool, beside the test's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..support.pages import ROOT

NEIGHBOUR = """
import sys
from redis_pool_ext import RedisPool
from redis_pool_ext.status import open_desk
pool = RedisPool.from_url(sys.argv[1], alias=sys.argv[2], max_connections=3)
with pool.lease("a neighbour") as client:
    for _ in range(5):
        client.ping()
    open_desk()
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def neighbour(url: str, alias: str = "default") -> Iterator[int]:
    """Run another process, which has a lease of its pool; yields its number."""
    process = subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, url, alias],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == b"open\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(20)
