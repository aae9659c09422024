"""fork(): the child shares no socket to a Sentinel with its parent."""

from __future__ import annotations

import pytest

from redis_pool_ext import forks
from redis_pool_ext.aio import sentinel as aio_sentinel
from redis_pool_ext.connecting import sentinel

from ..support.forks import FORK_WARNS, fork_without_hooks, in_child, open_sockets
from ..support.threads import spawn, wait_until
from .constellation import Constellation
from .sides import Side

pytestmark = FORK_WARNS


@pytest.mark.parametrize("by_c", [False, True], ids=["by Python", "by C"])
def test_child_of_a_fork_while_a_sentinel_is_asked_has_no_socket_to_it(
    constellation: Constellation, side: Side, by_c: bool
):
    """Somebody waits for one that hangs; the child closes its copy of that socket."""
    hung, *_ = constellation.sentinels

    def child() -> None:
        forks.getpid()  # a fork in C: the child notices with the first thing that it does
        assert open_sockets(hung.port) == set()

    def ping() -> bool:
        with pools.lease() as client:
            return bool(client.ping())

    with constellation.frozen(hung), side(constellation.url, timeout=4) as pools:
        dialling = spawn(ping)
        wait_until(lambda: any(each._sock for each in [*sentinel._asking, *aio_sentinel._asking]))
        assert open_sockets(hung.port)
        if by_c:
            in_child(child, fork_without_hooks)
        else:
            in_child(child)
        assert dialling.result()
