"""What a debug panel shows of a request on a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_pool_ext import ClusterPool
from redis_pool_ext.status import recorder


@pytest.fixture(autouse=True)
def _unwrapped() -> Iterator[None]:
    yield
    recorder.unwrap()


def test_commands_of_a_cluster_are_heard_once(pool: ClusterPool):
    """Whichever way they go inside, and whatever the map costs."""
    pool.client.get("known")
    with recorder.recording() as seen, pool.lease() as client:
        client.set("a", "s3cret")
        client.mget_nonatomic("a", "b")
        client.pipeline().set("a", 1).get("b").execute()
    names = [(each.name, each.argument) for each in seen.commands]
    assert names[0] == ("SET", "a")
    assert names[-1] == ("PIPELINE of 2", "SET a; GET b")
    assert {name for name, _ in names[1:-1]} <= {"MGET", "PIPELINE of 2"}  # as redis-py does it
    assert len(seen.takings) == 2  # a and b are on two nodes
    assert all(taking.returned_at is not None for taking in seen.takings)
