"""Without the optional libraries everything else works, and the error names the extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

ABSENT = """
import sys
for name in ("opentelemetry", "prometheus_client", "sentry_sdk"):
    sys.modules[name] = None  # as if it were not installed
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", ABSENT + code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "extra"),
    [("opentelemetry", "opentelemetry"), ("prometheus", "prometheus")],
)
def test_error_names_the_extra(module: str, extra: str):
    """Whoever imports the module is told what to install."""
    ended = run(f"import redis_pool_ext.metrics.{module}")

    assert ended.returncode == 1
    assert f"pip install 'redis-pool-ext[{extra}]'" in ended.stderr.splitlines()[-1]


def test_everything_else_works():
    """A pool, its numbers, the sums by alias, an observer."""
    ended = run("""
import redis_pool_ext.metrics.table
from redis_pool_ext import RedisPool
from redis_pool_ext.observing import Observer, add_observer
from redis_pool_ext.pooling.totals import totals
add_observer(Observer())
pool = RedisPool.from_url("fakeredis://")
with pool.lease() as client:
    client.set("key", "value")
print(totals()["default"].stats.acquired)
""")

    assert (ended.stdout, ended.stderr) == ("1\n", "")
