"""A request with a budget against a server that does not answer ends in time, whatever it calls."""

from __future__ import annotations

import pytest

from ..support.proxy import FaultyProxy
from .calls import CALLS, CALLS_OF_TASKS, WAITING
from .sides import SIDES, retries

pytestmark = pytest.mark.alone

EACH_SIDE = pytest.mark.parametrize("play", SIDES.values(), ids=SIDES)
EACH_CALL = pytest.mark.parametrize("call", CALLS)


def test_both_sides_call_the_same():
    """What is tried in threads is tried in tasks."""
    assert CALLS.keys() == CALLS_OF_TASKS.keys()


@EACH_SIDE
@EACH_CALL
def test_stalled_server_takes_no_more_than_the_budget(server, play, call):
    """It answers nothing any more, on the connection that the request has."""
    story = play(server.url, call, server.freeze, warm=True, socket_timeout=None)

    assert story.ended_with_its_budget()


@EACH_SIDE
@EACH_CALL
def test_stalled_server_takes_no_more_than_the_budget_of_a_request_that_begins(server, play, call):
    """It has no connection yet: the dial is a part of it."""
    story = play(server.url, call, server.freeze, warm=False, socket_timeout=5)

    assert story.ended_with_its_budget()


@EACH_SIDE
@EACH_CALL
def test_retries_end_with_the_budget(server, play, call):
    """Neither an attempt nor the pause before the next one outlasts it."""
    story = play(
        server.url, call, server.freeze, warm=True, socket_timeout=0.04, retry=retries(play)
    )

    assert story.took < 0.3, story.took
    assert story.error is not None
    assert story.stats.in_use == story.stats.connecting == 0


@EACH_SIDE
@pytest.mark.parametrize("call", WAITING)
def test_server_that_is_well_takes_no_more_than_the_budget(server, play, call):
    """To wait for messages, elements, replicas or a lock is time on Redis, too."""
    story = play(server.url, call, warm=True)

    assert story.ended_with_its_budget()


@EACH_SIDE
@EACH_CALL
def test_reply_that_trickles_in_takes_no_more_than_the_budget(server, play, call):
    """One byte now and then keeps no request for ever."""
    with FaultyProxy(server.port) as proxy:
        story = play(proxy.url, call, lambda: proxy.drip(0.15), warm=True, socket_timeout=None)

        assert story.ended_with_its_budget()


@EACH_SIDE
@EACH_CALL
def test_black_hole_takes_no_more_than_the_budget(server, play, call):
    """The socket has died, and nobody answers the dial that is to replace it."""
    with FaultyProxy(server.port) as proxy:

        def disappear() -> None:
            proxy.swallow()
            proxy.cut()

        story = play(proxy.url, call, disappear, warm=True, timeout=5, socket_timeout=5)

        assert story.took < 0.3, story.took
        assert story.error is not None
        assert story.stats.in_use == story.stats.connecting == 0
