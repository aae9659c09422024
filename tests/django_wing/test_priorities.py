"""Priorities and RESERVED, as visitors of a Django project meet them."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from redis_pool_ext import get_async_pool, get_pool
from redis_pool_ext.django.decorators import redis_required

from ..support.priorities import Counter, MakeSite, PriorityCase, Site
from .asgi import OURS, until


@pytest.fixture
def make_site(settings: Any, url: str) -> MakeSite:
    counter = Counter()

    @redis_required(priority="high")
    def login(_request: Any) -> HttpResponse:
        return HttpResponse(counter.serve("login"))

    @redis_required(priority="low")
    def report(_request: Any) -> HttpResponse:
        return HttpResponse(counter.serve("report"))

    @redis_required(priority="high")
    async def alogin(_request: Any) -> HttpResponse:
        return HttpResponse(counter.serve("login"))

    @redis_required(priority="low")
    async def areport(_request: Any) -> HttpResponse:
        return HttpResponse(counter.serve("report"))

    urls = ModuleType("urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("login", login),
        path("report", report),
        path("async/login", alogin),
        path("async/report", areport),
    ]

    def make(**pool: Any) -> Site:
        settings.MIDDLEWARE, settings.ROOT_URLCONF = [OURS], urls
        settings.REDIS_POOLS = {"default": {"URL": url, "TIMEOUT": 20, **pool}}
        return Site(get_pool(), lambda path: Client().get(path).status_code, counter)

    return make


class TestPriorities(PriorityCase):
    """Of views in threads."""


def test_higher_priority_is_answered_first_in_an_event_loop(make_site: MakeSite) -> None:
    """The line of its pool keeps the same order."""
    site = make_site(MAX_CONNECTIONS=1)
    site.counter.door.set()

    async def main() -> None:
        pool = get_async_pool()
        visitors = []
        async with pool.lease() as holder:
            await holder.ping()
            for place, each in enumerate(["report", "login"], 1):
                visitors.append(asyncio.create_task(AsyncClient().get(f"/async/{each}")))
                await until(lambda place=place: pool.stats().waiting == place)  # type: ignore[misc]
        assert [response.status_code for response in await asyncio.gather(*visitors)] == [200, 200]

    asyncio.run(main())
    assert site.counter.served == ["login", "report"]
