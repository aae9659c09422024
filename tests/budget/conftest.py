"""A server of this folder's own, which is frozen now and then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.server import Server


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(own_server: Server) -> Iterator[Server]:
    """The server, empty; what froze it need not thaw it."""
    with own_server.admin() as admin:
        admin.flushall()
    yield own_server
    own_server.thaw()
