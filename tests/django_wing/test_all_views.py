"""REDIS_POOL_EAGER and REDIS_POOL_BUDGET in Django."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from redis_pool_ext import RedisPool, get_async_pool, get_pool
from redis_pool_ext.django.checks import TAG
from redis_pool_ext.django.decorators import redis_alias, redis_optional, redis_required
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.scope import current_scope

from .asgi import MODES, OURS
from .conftest import Full, Serve
from .kinds import (
    EACH_KIND,
    KINDS,
    ByClass,
    aget,
    idles,
    of_class,
    runs,
)


@pytest.fixture
def eager(settings: Any) -> None:
    """The project wants to refuse before views run."""
    settings.REDIS_POOL_EAGER = True


def plainly(view: Any) -> Any:
    return view


@EACH_KIND
@pytest.mark.usefixtures("eager", "down")
def test_every_view_is_refused_before_it_begins(serve: Serve, kind: str) -> None:
    """As if it were decorated by `@redis_required`."""
    serve(KINDS[kind](plainly))

    assert Client().get("/").status_code == 503
    assert asyncio.run(aget()).status_code == 503
    assert runs == []


@MODES
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", KINDS)
def test_every_view_is_served_under_asgi_with_the_connection_of_its_kind(
    settings: Any, serve: Serve, kind: str, inside: list[str]
) -> None:
    """That of its loop to an async one, that of the threads to the others."""
    serve(KINDS[kind](plainly))
    settings.MIDDLEWARE = [OURS, *inside]
    is_async = kind in ("coroutine", "async class")

    @asynccontextmanager
    async def none_left() -> AsyncIterator[None]:
        yield
        stats = get_async_pool().stats()
        assert (stats.acquired, stats.in_use) == (int(is_async), 0)

    async def main() -> None:
        async with none_left():
            assert (await aget()).status_code == 200

    asyncio.run(main())
    assert get_pool().stats().in_use == 0
    assert get_pool().stats().acquired >= int(not is_async)


@pytest.mark.usefixtures("eager", "down")
@pytest.mark.parametrize(
    "decorator", [redis_required(eager=False), redis_optional], ids=["not eager", "optional"]
)
@EACH_KIND
def test_view_that_says_otherwise_begins(serve: Serve, kind: str, decorator: Any) -> None:
    """A policy of its own is its own."""
    serve(KINDS[kind](decorator))
    assert Client().get("/").status_code == 200
    assert asyncio.run(aget()).status_code == 200
    assert runs == ["view"] * 2


@pytest.mark.usefixtures("eager")
def test_view_with_an_alias_takes_its_connection_there(
    settings: Any, serve: Serve, client: Client, url: str
) -> None:
    """`@redis_alias` says where, and the project says when."""
    settings.REDIS_POOLS = {"default": url, "reports": url}
    serve(redis_alias("reports")(idles))
    client.get("/")
    assert (get_pool().stats().acquired, get_pool("reports").stats().acquired) == (0, 1)


@pytest.mark.usefixtures("eager", "down")
def test_page_that_there_is_not_is_not_found(serve: Serve, client: Client) -> None:
    """There is no view to be refused."""
    serve(idles)
    assert client.get("/no-such-page/").status_code == 404


@pytest.mark.usefixtures("eager", "down")
def test_our_own_views_answer_while_redis_is_down(settings: Any, serve: Serve) -> None:
    """Liveness, readiness and the status page."""
    settings.REDIS_POOL_STATUS_GUARD = "tests.django_wing.test_all_views.lets_in"
    serve(idles)
    assert Client().get("/health/live/").status_code == 200
    assert Client().get("/health/ready/").json() == {
        "status": "unready",
        "pools": {"default": "unreachable", "reports": "unreachable"},
    }
    assert asyncio.run(aget("/health/live/")).status_code == 200
    from redis_pool_ext.django import status  # reads that setting

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("", status.status_page, {"page": ""})]
    settings.ROOT_URLCONF = urls
    assert Client().get("/").status_code == 200


def lets_in(_request: Any) -> bool:
    return True


@pytest.mark.usefixtures("eager")
def test_health_of_a_full_pool_waits_for_nobody(serve: Serve, full: Full, pool: RedisPool) -> None:
    """It asks on no connection that somebody is queued for, so it needs no place before them."""
    serve(idles)
    pool.timeout = 20
    with full():
        assert Client().get("/health/ready/").status_code == 200
    assert pool.stats().timed_out == pool.stats().waiting == 0


def test_middleware_has_no_process_view_where_it_is_off() -> None:
    """Django would call it for each request, under ASGI in a thread."""
    assert not hasattr(RedisPoolMiddleware(idles), "process_view")


def test_budget_is_each_requests_own(settings: Any, serve: Serve, client: Client) -> None:
    """So many seconds from its begin on, for all its leases; a view may have more."""
    settings.REDIS_POOL_BUDGET = 2
    budgets: list[Any] = []

    def view(request: Any) -> HttpResponse:
        request.redis.get("k")
        budgets.append(request.redis.connection_pool.budget)
        return HttpResponse()

    serve(view)
    client.get("/")
    client.get("/")
    assert [budget.seconds for budget in budgets] == [2, 2]
    assert budgets[0] is not budgets[1]

    serve(redis_required(budget=5)(view))
    client.get("/")
    assert budgets[-1].seconds == 5


def test_request_has_no_budget_by_default(serve: Serve, client: Client) -> None:
    """And nobody makes one."""
    budgets: list[Any] = []

    def view(_request: Any) -> HttpResponse:
        budgets.append(current_scope().budget)  # type: ignore[union-attr]
        return HttpResponse()

    serve(view)
    client.get("/")
    assert budgets == [None]


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [("REDIS_POOL_BUDGET", 0, "E015"), ("REDIS_POOL_EAGER", "yes", "E016")],
)
def test_wrong_setting_is_an_error_at_start(
    settings: Any, setting: str, value: object, code: str
) -> None:
    """Of the checks, and of the middleware where nobody runs them."""
    setattr(settings, setting, value)
    (found,) = run_checks(tags=[TAG])
    assert found.id == f"redis_pool_ext.{code}"
    assert found.msg.startswith(setting)
    with pytest.raises(ImproperlyConfigured, match=setting):
        RedisPoolMiddleware(idles)


@pytest.mark.usefixtures("eager", "down")
def test_head_is_what_get_says(serve: Serve, client: Client) -> None:
    """Django answers it by `get` where a class has no `head`."""
    serve(of_class(ByClass, redis_optional, "get"))
    assert client.head("/").status_code == 200
