"""A failover under load: service is back in time, nothing is lost, nobody hangs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from redis_pool_ext import PoolUnavailableError
from redis_pool_ext.errors import LeaseStateLostError

from ..support.clock import Metronome
from ..support.threads import wait_until
from .constellation import SERVICE, Constellation, replicate
from .load import Load
from .sides import Side, connection_of

TIMEOUT = 1.0  # for a connection
SOCKET_TIMEOUT = 0.5  # for a reply
BACK_WITHIN = 1.0  # after the Sentinels have switched
ALLOWANCE = 0.05

# What a command may be told while there is no master.
EXPECTED = {PoolUnavailableError, redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError}


def by_command(constellation: Constellation) -> None:
    constellation.sentinels[0].says("FAILOVER", SERVICE)


def by_kill(constellation: Constellation) -> None:
    constellation.master.stop()  # which is a kill -9


def by_loss_of_a_machine(constellation: Constellation) -> None:
    master = constellation.master
    constellation.sentinels[0].freeze()  # the one that everybody has asked so far
    master.stop()


HOW = pytest.mark.parametrize("fail_over", [by_command, by_kill])


@pytest.mark.parametrize("fail_over", [by_command, by_kill, by_loss_of_a_machine])
def test_failover_under_load_is_over_in_time_and_loses_nothing(
    fail_over: Callable[[Constellation], None],
    breakable: Constellation,
    side: Side,
):
    """Each writer writes again within a second of +switch-master; each bound holds meanwhile."""
    settings = {"max_connections": 8, "timeout": TIMEOUT, "socket_timeout": SOCKET_TIMEOUT}
    with Metronome() as metronome, side(breakable.url, **settings) as pools, Load(pools) as load:
        is_one_lost = fail_over is by_loss_of_a_machine
        switch = breakable.watch_for_switch(*breakable.sentinels[is_one_lost:])
        fail_over(breakable)
        switched = switch.result()
        new = breakable.at(switched.port)
        wait_until(lambda: load.acknowledged_by_each(30, since=switched.last, port=new.port))

    late = metronome.lateness()  # on a busy machine; next to nothing on another

    # A Sentinel that is told of a failover by others still names the old master, who goes on.
    moment = switched.last if fail_over is by_command else switched.first
    back = load.back_after(moment, new.port)
    kinds = {kind.__name__: number for kind, number in load.errors.items()}
    # Shown by `pytest -rP`, for the figures that the documentation tells.
    print(f"writes again {back:.3f} s after +switch-master, longest command {load.longest:.3f} s,")
    print(f"{len(load.commands)} commands, errors: {kinds}; the machine was {late:.3f} s late")
    assert back <= BACK_WITHIN + late
    assert load.lost_by(new) == set()
    assert load.mixed_up == []
    assert load.longest <= TIMEOUT + ALLOWANCE + SOCKET_TIMEOUT + late
    assert set(load.errors) <= EXPECTED


@HOW
def test_lease_from_before_the_failover_recovers_or_raises_once(
    fail_over: Callable[[Constellation], None], breakable: Constellation, side: Side
):
    """One without state goes on; one that had watched a key is told, once."""
    with (
        side(breakable.url, timeout=TIMEOUT, socket_timeout=SOCKET_TIMEOUT) as pools,
        ExitStack() as stack,
    ):
        plain, watching, raw = (stack.enter_context(pools.lease()) for _ in range(3))
        plain.set("k", "v")
        replicate(breakable.master)
        pipeline = watching.pipeline()
        pipeline.watch("k")
        raw.execute_command("WATCH", "k")
        switch = breakable.watch_for_switch()
        fail_over(breakable)
        new = breakable.at(switch.result().port)
        if fail_over is by_command:
            wait_until(lambda: connection_of(raw).is_left)

        wait_until(lambda: attempt(lambda: plain.set("mine", "1")) is None)
        pipeline.multi()
        pipeline.set("k", "2")
        lost = attempt(pipeline.execute)
        pipeline.reset()
        after = attempt(lambda: watching.set("after", "2"))
        with pytest.raises((redis.ConnectionError, LeaseStateLostError)):
            raw.set("k", "3")
        new_port = connection_of(plain).port

    assert isinstance(lost, redis.WatchError | redis.ConnectionError)
    assert after is None
    assert new_port == new.port
    with new.admin() as admin:
        assert admin.mget("k", "mine", "after") == [b"v", b"1", b"2"]


def attempt(act: Callable[[], Any]) -> Exception | None:
    """Return what it raises, if anything."""
    try:
        act()
    except Exception as error:
        return error
    return None
