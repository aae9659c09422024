"""A request with a budget against a server that stalls ends in time, whatever its view calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.test import AsyncClient, Client

from redis_pool_ext import get_async_pool, get_pool

from ..support.budgeted import BUDGET, CALLS, assert_ends_in_time, stalled
from ..support.server import Server
from .project import urls_budget

__all__ = ["stalled"]

pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True)
def _project(settings: Any, stalled: Server) -> None:
    settings.ROOT_URLCONF = urls_budget.__name__
    settings.REDIS_POOLS = {"default": {"URL": stalled.url, "TIMEOUT": 5.0}}
    settings.REDIS_POOL_BUDGET = BUDGET


@pytest.mark.parametrize("call", CALLS)
def test_view_ends_with_its_budget(stalled: Server, call: str) -> None:
    """With a 503: `REDIS_POOL_BUDGET` is a request's, whatever it calls."""

    def ask(name: str) -> int:
        return Client(raise_request_exception=False).get(f"/call/{name}/").status_code

    assert_ends_in_time(stalled, get_pool(), ask, call)


@pytest.mark.parametrize("call", CALLS)
def test_async_view_ends_with_its_budget(stalled: Server, call: str) -> None:
    """In its event loop, too."""
    with asyncio.Runner() as runner:

        def ask(name: str) -> int:
            response = runner.run(AsyncClient().get(f"/acall/{name}/"))
            return response.status_code  # type: ignore[no-any-return]

        async def pool() -> Any:
            return get_async_pool()

        assert_ends_in_time(stalled, runner.run(pool()), ask, call)
