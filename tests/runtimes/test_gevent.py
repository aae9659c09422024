"""gevent: greenlets wait in line like threads, and may be killed anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

SIZE = "30" if os.environ.get("REDIS_POOL_EXT_LONG") == "1" else "3"


@pytest.fixture(autouse=True)
def gevent():
    if find_spec("gevent") is None:
        pytest.fail(
            "these tests need gevent, which has wheels for Python 3.11 to 3.14: "
            "pip install 'redis-pool-ext[test]'"
        )


def run(program: str, *arguments: str, timeout: float = 300) -> dict:
    command = [sys.executable, "-m", f"tests.runtimes.{program}", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def assert_unharmed(seen: dict) -> None:
    assert seen["wrong"] == []
    assert (seen["in_use"], seen["connecting"], seen["waiting"]) == (0, 0, 0)
    assert seen["idle"] == 3  # all of them could be taken, and came back


def test_fifty_greenlets_on_three_connections_are_served_alike(url):
    """Nobody is ever more than a few leases ahead; each reply is the asker's own."""
    seen = run("gevent_storm", "fair", url, SIZE)

    assert_unharmed(seen)
    assert set(seen["served"]) == {int(SIZE)}
    assert seen["ahead"] <= 3


def test_greenlets_killed_or_timed_out_anywhere_lose_no_slot(url):
    """gevent.Timeout and kill() in queue, dial, command and return, at random moments."""
    seen = run("gevent_storm", "killed", url, SIZE)

    assert_unharmed(seen)
    assert min(seen["done"], seen["timeouts"], seen["killed"]) > 20


def test_greenlets_that_share_a_lease_take_turns(url):
    """Its lock tells greenlets apart, though they are one thread."""
    assert_unharmed(run("gevent_storm", "shared", url, SIZE))


def test_patching_after_the_pool_was_used_mixes_up_no_reply(url):
    """Greenlets with leases of their own are served; a lease of before refuses to be shared."""
    seen = run("gevent_late", url)

    assert seen["own"] == [True] * 20
    assert "right" in seen["shared"]
    others = [said for said in seen["shared"] if said != "right"]
    assert all("in the middle of another command" in said for said in others)
    assert (seen["in_use"], seen["waiting"]) == (0, 0)


def test_first_use_after_a_late_patch_stops_nobody(url):
    """The pool's own threads are greenlets then, and wait as such."""
    assert run("gevent_preloaded", url, timeout=20) == {"reply": "hello", "other": "ran"}
