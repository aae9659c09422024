"""Sentinels that hang: each costs its share of the time, once, and never more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_pool_ext import PoolUnavailableError

from .constellation import Constellation
from .sides import Side, connection_of

ALLOWANCE = 0.05
NO_LOOK = {"housekeeping_interval": None}


def timed(act: Callable[[], Any]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


@pytest.mark.parametrize("hung", [1, 2])
def test_dial_succeeds_while_one_sentinel_answers(
    constellation: Constellation, side: Side, hung: int
):
    """Those that hang come first in the URL; they are asked once, and last from then on."""
    url, port = constellation.url, constellation.master.port
    with (
        constellation.frozen(*constellation.sentinels[:hung]),
        side(url, timeout=1.0, **NO_LOOK) as pools,
    ):
        with pools.lease() as client:
            first = timed(client.ping)
            assert connection_of(client).port == port
        pools.pool.drain()
        with pools.lease() as client:
            second = timed(client.ping)

    share = 1.0 / 4
    assert hung * share - ALLOWANCE <= first <= 1.0 + ALLOWANCE
    assert second < share  # no hung one was asked


def test_all_hung_is_told_within_the_timeout(constellation: Constellation, side: Side):
    """The error names the service and each Sentinel, and what it was told by the dial."""
    with (
        constellation.frozen(*constellation.sentinels),
        side(constellation.url.replace("//", "//u:hunter2@"), timeout=0.6, **NO_LOOK) as pools,
        pools.lease() as client,
    ):
        began = time.monotonic()
        with pytest.raises(PoolUnavailableError) as caught:
            client.ping()
        took = time.monotonic() - began

    assert took <= 0.6 + ALLOWANCE
    assert isinstance(caught.value.__cause__, redis.TimeoutError)
    assert "no Sentinel of 'mymaster' answers" in str(caught.value)
    for sentinel in constellation.sentinels:
        assert sentinel.address in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_hung_sentinel_is_asked_last_by_every_pool(constellation: Constellation, side: Side):
    """What one pool has learnt, another one of the process need not."""
    with constellation.frozen(constellation.sentinels[0]):
        for is_first in (True, False):
            with side(constellation.url, timeout=1.0, **NO_LOOK) as pools, pools.lease() as client:
                took = timed(client.ping)
                assert is_first or took < 1.0 / 4


def test_settings_of_sentinels_cut_their_share(constellation: Constellation, side: Side):
    """`socket_timeout` among `sentinel_kwargs` is how long a Sentinel may take at most."""
    settings = {"timeout": 2.0, "sentinel_kwargs": {"socket_timeout": 0.05}, **NO_LOOK}
    with (
        constellation.frozen(*constellation.sentinels[:2]),
        side(constellation.url, **settings) as pools,
        pools.lease() as client,
    ):
        assert timed(client.ping) < 2.0 / 4


def test_hung_master_takes_no_longer_than_the_timeout(constellation: Constellation, side: Side):
    """The Sentinels have answered quickly; what is left of the time is the dial's."""
    with (
        constellation.frozen(constellation.master),
        side(constellation.url, timeout=0.4, **NO_LOOK) as pools,
        pools.lease() as client,
    ):

        def ping() -> None:
            with pytest.raises(PoolUnavailableError):
                client.ping()

        assert timed(ping) <= 0.4 + ALLOWANCE
