"""A master that is demoted by hand and keeps its sockets: nobody tells its clients."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import redis

from redis_pool_ext.connecting.sentinels import LOOKS_EVERY
from redis_pool_ext.errors import LeaseStateLostError

from ..support.threads import wait_until
from .constellation import Constellation
from .sides import Side, connection_of

NO_LOOK = {"housekeeping_interval": None}


def test_leased_connection_finds_the_new_master_after_one_refused_write(
    constellation: Constellation, side: Side
):
    """READONLY is told, as the caller may not repeat it; the next command is where it belongs."""
    with side(constellation.url, **NO_LOOK) as pools, pools.lease() as client:
        client.set("k", "1")
        _, new = constellation.switch_by_hand()

        with pytest.raises(redis.ReadOnlyError):
            client.set("k", "2")
        client.set("k", "3")
        assert connection_of(client).port == new.port


def test_idle_connections_to_the_old_master_are_not_lent(constellation: Constellation, side: Side):
    """One that finds the new master speaks for all others of its pool."""
    with side(constellation.url, max_connections=4, **NO_LOOK) as pools:
        with ExitStack() as stack:
            for client in [stack.enter_context(pools.lease()) for _ in range(3)]:
                client.ping()
        _, new = constellation.switch_by_hand()
        with pytest.raises(redis.ReadOnlyError), pools.lease() as client:
            client.set("k", "1")

        with ExitStack() as stack:
            clients = [stack.enter_context(pools.lease()) for _ in range(4)]
            for client in clients:
                client.set("k", "2")
            assert {connection_of(client).port for client in clients} == {new.port}


def test_dial_that_is_sent_elsewhere_renews_the_others(constellation: Constellation, side: Side):
    """Those that only read would else go on with the old master's data."""
    with side(constellation.url, max_connections=3, **NO_LOOK) as pools, pools.lease() as reader:
        reader.get("k")
        with pools.lease() as client:
            client.get("k")  # and is idle after
        _, new = constellation.switch_by_hand()
        pools.pool.resize(2)
        with pools.lease() as one, pools.lease() as other:
            one.get("k")
            pools.pool.resize(3)
            other.get("k")  # this one is dialled
            reader.get("k")
            assert connection_of(other).port == connection_of(reader).port == new.port
        with pools.lease() as client:
            client.set("k", "1")
            assert connection_of(client).port == new.port


def test_look_takes_everybody_to_the_new_master(constellation: Constellation, side: Side):
    """Without a failed command: the housekeeper asks where the master is."""
    with side(constellation.url) as pools, pools.lease() as client, pools.lease() as watching:
        client.set("k", "1")
        watching.execute_command("WATCH", "k")
        _, new = constellation.switch_by_hand()
        wait_until(lambda: connection_of(client).is_left, 20 * LOOKS_EVERY)

        client.set("k", "2")  # no READONLY: it was not sent to the old one
        assert connection_of(client).port == new.port
        with pytest.raises(LeaseStateLostError):
            watching.get("k")


def test_watching_pipeline_is_told_before_it_writes(constellation: Constellation, side: Side):
    """Its WATCH is on the old master: nothing is sent there, and it may be tried again."""
    with side(constellation.url) as pools, pools.lease() as client:
        pipeline = client.pipeline()
        pipeline.watch("k")
        constellation.switch_by_hand()
        wait_until(lambda: connection_of(client).is_left, 20 * LOOKS_EVERY)
        pipeline.multi()
        pipeline.set("k", "mine")
        with pytest.raises(redis.WatchError):
            pipeline.execute()
        pipeline.reset()

        assert client.get("k") != b"mine"


def test_demoted_master_that_a_sentinel_still_names_is_not_taken(
    constellation: Constellation, side: Side
):
    """Its role is asked in the handshake; then another Sentinel is, who knows better."""
    old, new = constellation.switch_by_hand()
    behind, *others = constellation.sentinels
    behind.says("REMOVE", "mymaster")
    behind.says("MONITOR", "mymaster", old.host, str(old.port), "3")
    try:
        with side(constellation.url_of(behind, *others)) as pools, pools.lease() as client:
            client.set("k", "1")
            assert connection_of(client).port == new.port
        with (
            side(constellation.url_of(behind)) as pools,
            pools.lease() as client,
            pytest.raises(redis.ConnectionError, match="is a replica, though a Sentinel names it"),
        ):
            client.get("k")
    finally:
        behind.says("REMOVE", "mymaster")
        behind.says("MONITOR", "mymaster", new.host, str(new.port), "2")
