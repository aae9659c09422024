"""The look at a socket: open and quiet, or not; by poll(), and where there is none."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from redis_pool_ext.pooling.liveness import _is_open_and_quiet


@pytest.fixture(params=["poll", "recv"])
def ends(request, monkeypatch):
    """Two ends of a connection, the first with a timeout; looked at in either way."""
    if request.param == "recv":
        monkeypatch.delattr(select, "poll")
    mine, peer = socket.socketpair()
    mine.settimeout(5)
    with mine, peer:
        yield mine, peer


def test_open_and_quiet_socket_is_alive(ends):
    """And has its timeout afterwards."""
    mine, _ = ends

    assert _is_open_and_quiet(mine, 5)
    assert mine.gettimeout() == 5


def test_data_that_nobody_asked_for_is_no_sign_of_life(ends):
    """It would answer the next command. The look does not take it."""
    mine, peer = ends
    peer.send(b"+OK")

    assert not _is_open_and_quiet(mine, 5)
    assert mine.recv(10) == b"+OK"


def test_end_of_the_stream_is_seen(ends):
    """The server has closed it."""
    mine, peer = ends
    peer.close()

    assert not _is_open_and_quiet(mine, 5)


def test_socket_that_we_closed_is_dead(ends):
    """Another thread was quicker."""
    mine, _ = ends
    mine.close()

    assert not _is_open_and_quiet(mine, 5)


def test_look_waits_for_nothing(ends):
    """Whatever its timeout is: the test ends."""
    mine, _ = ends
    mine.settimeout(None)
    looking = threading.Thread(target=_is_open_and_quiet, args=(mine, None), daemon=True)
    looking.start()
    looking.join(5)

    assert not looking.is_alive()
