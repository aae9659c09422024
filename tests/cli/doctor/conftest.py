"""A server of these tests' own, to be set up so that there is something to find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from ...support.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("s") / "redis.sock"
    with Server("--unixsocket", str(path)) as server:
        server.socket = path
        yield server


@pytest.fixture
def admin(server: Server) -> Iterator[redis.Redis]:
    with server.admin(decode_responses=True) as admin:
        admin.slowlog_reset()
        yield admin
