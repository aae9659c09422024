"""A request with a budget against a server that does not answer ends in time, whatever it calls."""

from __future__ import annotations

import os
from typing import Any

import pytest
import redis
from redis.backoff import ConstantBackoff

from ..support.proxy import FaultyProxy
from ..support.server import Server
from . import sides
from .calls import CALLS, CALLS_OF_TASKS, WAITING
from .sides import RETRIES, SIDES, Story, quickest, retries

pytestmark = pytest.mark.alone

LONG = bool(os.environ.get("REDIS_POOL_EXT_LONG"))

EACH_SIDE = pytest.mark.parametrize("play", SIDES.values(), ids=SIDES)
EACH_CALL = pytest.mark.parametrize("call", CALLS)
# Each kind of them, where the server does worse than nothing; in the long form all.
SOME = ("read", "twenty commands", "pipeline", "watched transaction", "blpop", "listen", "lock")
SOME_CALLS = EACH_CALL if LONG else pytest.mark.parametrize("call", SOME)


def test_both_sides_call_the_same():
    """What is tried in threads is tried in tasks."""
    assert CALLS.keys() == CALLS_OF_TASKS.keys()


def frozen(server: Server, play: Any, call: str, **settings: Any) -> Story:
    """Play the request on a server that is frozen before its call."""

    def once() -> Story:
        server.thaw()
        return play(server.url, call, server.freeze, **settings)

    return quickest(once)


@EACH_SIDE
@EACH_CALL
def test_stalled_server_takes_no_more_than_the_budget(server, play, call):
    """It answers nothing any more, on the connection that the request has."""
    story = frozen(server, play, call, warm=True, socket_timeout=None)

    assert story.ended_with_its_budget()


@EACH_SIDE
@SOME_CALLS
def test_budget_is_less_than_a_timeout_of_its_own_that_is_longer(server, play, call):
    """Of the two the shorter one counts."""
    story = frozen(server, play, call, warm=True, socket_timeout=5)

    assert story.ended_with_its_budget()


@EACH_SIDE
@SOME_CALLS
def test_stalled_server_takes_no_more_than_the_budget_of_a_request_that_begins(server, play, call):
    """It has no connection yet: the dial is a part of it."""
    story = frozen(server, play, call, warm=False, socket_timeout=5)

    assert story.ended_with_its_budget()


@EACH_SIDE
@SOME_CALLS
def test_retries_end_with_the_budget(server, play, call):
    """Neither an attempt nor the pause before the next one outlasts it."""
    story = frozen(server, play, call, warm=True, socket_timeout=0.1, retry=retries(play))

    assert story.ended_in_time()


@EACH_SIDE
def test_pause_that_would_outlast_the_budget_is_not_begun(server, play):
    """There would be no time for the attempt after it."""
    policy = RETRIES[play](ConstantBackoff(1), 10)
    story = frozen(server, play, "read", warm=True, socket_timeout=0.1, retry=policy)

    assert story.ended_with_its_budget()
    assert isinstance(story.error.__cause__, redis.TimeoutError)


@EACH_SIDE
@pytest.mark.parametrize("call", WAITING)
def test_server_that_is_well_takes_no_more_than_the_budget(server, play, call):
    """To wait for messages, elements, replicas or a lock is time on Redis, too."""
    story = quickest(lambda: play(server.url, call, warm=True))

    assert story.ended_with_its_budget()


@EACH_SIDE
@SOME_CALLS
def test_reply_that_trickles_in_takes_no_more_than_the_budget(server, play, call):
    """One byte now and then keeps no request for ever."""

    def once() -> Story:
        with FaultyProxy(server.port) as proxy:
            return play(
                proxy.url, call, lambda: proxy.drip(0.15), warm=True, timeout=5, socket_timeout=None
            )

    assert quickest(once).ended_with_its_budget()


@EACH_SIDE
@SOME_CALLS
def test_black_hole_takes_no_more_than_the_budget(server, play, call):
    """The socket has died, and nobody answers the dial that is to replace it."""

    def once() -> Story:
        with FaultyProxy(server.port) as proxy:

            def disappear() -> None:
                proxy.swallow()
                proxy.cut()

            return play(proxy.url, call, disappear, warm=True, timeout=5, socket_timeout=5)

    assert quickest(once).ended_in_time()


@EACH_SIDE
@pytest.mark.parametrize("call", ["read", "pipeline"])
def test_large_reply_takes_no_more_than_the_budget(server, play, call):
    """It makes progress, so that `socket_timeout` begins anew with each part of it."""
    with server.admin() as admin:
        admin.set("key", b"x" * 4_000_000)

    def once() -> Story:
        with FaultyProxy(server.port) as proxy:

            def slow_down() -> None:
                proxy.delay = 0.05  # before each 64 KiB

            return play(proxy.url, call, slow_down, warm=True, timeout=5, socket_timeout=5)

    assert quickest(once).ended_with_its_budget()


@EACH_SIDE
def test_budget_of_a_second_ends_within_eleven_tenths(server, play, monkeypatch):
    """The promise, in its own numbers."""
    monkeypatch.setattr(sides, "BUDGET", 1.0)
    monkeypatch.setattr(sides, "LATEST", 1.1)

    story = frozen(server, play, "twenty commands", warm=False, socket_timeout=0.3)

    assert story.ended_with_its_budget()
    assert story.took > 0.9
