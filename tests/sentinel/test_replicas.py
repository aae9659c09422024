"""Aliases that only read: `?role=replica`."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any

import pytest
import redis

from redis_pool_ext.connecting import search

from ..support.threads import wait_until
from .constellation import Constellation, is_in_sync
from .sides import Side, connection_of

REPLICA = {"role": "replica", "housekeeping_interval": None}


def test_replica_is_read_and_takes_no_write(constellation: Constellation, side: Side):
    """A refused write is a mistake of the program, and renews no connection."""
    with constellation.master.admin() as admin:
        admin.set("k", "v")
        admin.wait(2, 5000)
    with side(constellation.url + "?role=replica") as pools, pools.lease() as client:
        assert client.get("k") == b"v"
        connection = connection_of(client)
        assert constellation.at(connection.port) in constellation.replicas
        for _ in range(2):
            with pytest.raises(redis.ReadOnlyError):
                client.set("k", "2")
        assert client.get("k") == b"v"
        assert connection_of(client) is connection
        assert not connection.read_only
        assert pools.pool.stats().created == 1


def test_connections_are_spread_over_the_replicas(constellation: Constellation, side: Side):
    """Each connection goes to one of them at random."""
    ports = set()
    with side(constellation.url, max_connections=24, **REPLICA) as pools, ExitStack() as stack:
        for _ in range(24):  # on the same one of two: once in eight million runs
            client = stack.enter_context(pools.lease())
            client.ping()
            ports.add(connection_of(client).port)

    assert ports == {server.port for server in constellation.replicas}


def ping_after_a_lost_socket(client: Any) -> None:
    """Ping until that works: the first time, it may have been on its way."""
    with suppress(redis.ConnectionError):
        client.ping()
    client.ping()


def test_reader_moves_on_when_its_replica_dies(breakable: Constellation, side: Side):
    """To the other one, before any Sentinel has noticed; and at last to the master."""
    with side(breakable.url, timeout=1.0, **REPLICA) as pools, pools.lease() as client:
        client.ping()
        first = breakable.at(connection_of(client).port)
        first.stop()
        ping_after_a_lost_socket(client)
        second = breakable.at(connection_of(client).port)
        assert {first, second} == set(breakable.replicas)

        second.stop()
        ping_after_a_lost_socket(client)
        assert connection_of(client).port == breakable.master.port


def test_makeshift_master_is_left_again_when_a_replica_is_back(
    breakable: Constellation, side: Side, monkeypatch: pytest.MonkeyPatch
):
    """A reader's connection to the master does not live long."""
    monkeypatch.setattr(search, "MAKESHIFT_FOR", 0.01)
    with side(breakable.url, timeout=1.0, **REPLICA) as pools:
        replicas = breakable.replicas
        for replica in replicas:
            replica.stop()
        with pools.lease() as client:
            client.ping()
            assert connection_of(client).port == breakable.master.port
        for replica in replicas:
            replica.arguments += ("--replicaof", breakable.master.host, str(breakable.master.port))
            replica.start()
        wait_until(lambda: all(map(is_in_sync, replicas)))

        def reads_a_replica() -> bool:
            with pools.lease() as client:
                client.ping()
                return connection_of(client).port != breakable.master.port

        wait_until(reads_a_replica, 15)
