"""A server of these tests' own, which they set up and clear as they like, and a stub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.server import Server
from .stub import StubServer


@pytest.fixture(scope="session")
def real_server() -> Iterator[Server]:
    # It looks 500 times a second whether a blocked client's time is up; as it comes, 10.
    with Server("--hz", "500") as server:
        yield server


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer() as stub:
        yield stub
