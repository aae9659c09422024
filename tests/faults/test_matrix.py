"""Every fault of the network against every kind of command.

Each cell: the right error, within its bound; afterwards the pool serves within one backoff
step, no slot is lost, and nobody reads the reply to somebody else's question.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.threads import wait_until
from .kinds import KINDS, SOCKET_TIMEOUT, TIMEOUT
from .matrix import FAULTS, OUTCOMES, cells
from .parsers import IS_LONG, PARSERS
from .scene import Scene, connections, serves

ROUNDS = 3


def rows() -> list[tuple[str, str, str, str]]:
    """Each cell with the next parser in turn; in the long form with all, repeatedly.

    Eleven kinds and four parsers: in turn, each fault and each kind meets all four.
    """
    if IS_LONG:
        return [(parser, *cell) for _ in range(ROUNDS) for cell in cells() for parser in PARSERS]
    return [(parser, *cell) for parser, cell in zip(cycle(PARSERS), cells(), strict=False)]


@pytest.mark.parametrize(("parser", "fault", "kind", "outcome"), rows())
def test_fault_surfaces_as_the_right_error_and_leaves_the_pool_whole(
    proxy, admin, clock, parser, fault, kind, outcome
):
    """One cell of the table."""
    with RedisPool.from_url(
        proxy.url,
        max_connections=2,
        timeout=TIMEOUT,
        socket_timeout=SOCKET_TIMEOUT,
        **PARSERS[parser],
    ) as pool:

        def begin() -> None:
            FAULTS[fault](proxy)
            if fault == "down":  # its end of the stream takes its way through the kernel
                wait_until(lambda: not any(looks_alive(each) for each in connections(pool)))

        scene = Scene(pool, admin, clock, begin=begin, end=proxy.resume)
        assert serves(pool)
        KINDS[kind](scene)

        assert scene.outcome in OUTCOMES[outcome]
        scene.assert_recovered()


def test_table_has_a_cell_for_each_fault_and_kind():
    """A fault or kind that is added without its expectations is noticed."""
    assert {cell[:2] for cell in cells()} == {(fault, kind) for fault in FAULTS for kind in KINDS}
