"""`@redis_alias`: views on another pool, of each kind, and what they leave alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import clear_url_caches, path
from django.utils.decorators import method_decorator
from django.views import View

from redis_pool_ext import ConfigError, RedisPool, get_async_pool, get_pool, get_redis
from redis_pool_ext.django.decorators import redis_alias

from .conftest import TIMEOUT

Serve = Callable[[Any], None]


@pytest.fixture(autouse=True)
def reports(settings: Any, url: str, pool: RedisPool) -> RedisPool:
    """A second pool, of one connection; the server knows the two by name."""
    entry = {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": 20}  # a slow machine's dial
    settings.REDIS_POOLS = {
        alias: {**entry, "OPTIONS": {"client_name": alias}} for alias in ("default", "reports")
    }
    return get_pool("reports")


@pytest.fixture
def serve(settings: Any) -> Iterator[Serve]:
    """Make a view the one at "/"."""
    urls = ModuleType("urls")

    def one(view: Any) -> None:
        urls.urlpatterns = [path("", view)]  # type: ignore[attr-defined]
        settings.ROOT_URLCONF = urls

    yield one
    clear_url_caches()


def name_of(request: Any) -> str:
    return str(request.redis.client_getname())


def by_function(request: Any) -> HttpResponse:
    return HttpResponse(name_of(request))


class ByClass(View):
    """A class-based view; its tests decorate it."""

    def get(self, request: Any, suffix: str = "") -> HttpResponse:
        return HttpResponse(name_of(request) + suffix)


class ByAsyncClass(View):
    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse(await request.aredis.client_getname())


async def by_coroutine(request: Any) -> HttpResponse:
    return HttpResponse(await request.aredis.client_getname())


def decorated(view: Any) -> Any:
    """Return `view` on the pool "reports", as a URLconf takes it."""
    if isinstance(view, type):
        return method_decorator(redis_alias("reports"), name="dispatch")(
            type(view.__name__, (view,), {})
        ).as_view()
    return redis_alias("reports")(view)


@pytest.mark.parametrize("view", [by_function, ByClass])
def test_view_of_threads_has_the_pool_that_it_names(client: Client, serve: Serve, view: Any):
    """`request.redis` is a lease on that pool, and takes nothing of the other."""
    serve(decorated(view))

    assert client.get("/").content == b"reports"
    assert (get_pool().stats().acquired, get_pool("reports").stats().acquired) == (0, 1)
    assert get_pool("reports").stats().in_use == 0


@pytest.mark.parametrize("view", [by_coroutine, ByAsyncClass])
def test_view_of_tasks_has_the_pool_that_it_names(serve: Serve, view: Any):
    """`request.aredis` is a lease on that pool of the running loop."""
    serve(decorated(view))

    async def main() -> None:
        assert (await AsyncClient().get("/")).content == b"reports"
        stats = get_async_pool().stats(), get_async_pool("reports").stats()
        assert [(one.acquired, one.in_use) for one in stats] == [(0, 0), (1, 0)]

    asyncio.run(main())


@pytest.mark.parametrize("view", [by_function, by_coroutine])
def test_view_works_under_the_other_kind_of_server(client: Client, serve: Serve, view: Any):
    """A sync view under ASGI, in a thread; an async one under WSGI, in a loop of its own."""
    serve(decorated(view))

    if view is by_coroutine:
        assert client.get("/").content == b"reports"
    else:
        assert asyncio.run(AsyncClient().get("/")).content == b"reports"


def test_view_beside_it_has_the_default_pool(client: Client, serve: Serve):
    """Each request begins with the pool "default"."""
    serve(decorated(by_function))
    client.get("/")
    serve(by_function)

    assert client.get("/").content == b"default"


def test_what_asks_by_alias_keeps_its_pool(client: Client, serve: Serve):
    """The cache, sessions and get_redis() are where they were: one connection of each pool."""

    @redis_alias("reports")
    def view(request: Any) -> HttpResponse:
        names = name_of(request), get_redis().client_getname(), get_redis("reports").client_id()
        assert names[2] == request.redis.client_id()
        return HttpResponse(" ".join(names[:2]))

    serve(view)
    assert client.get("/").content == b"reports default"


def test_template_that_is_rendered_later_has_the_pool_of_its_view(client: Client, serve: Serve):
    """Django renders it when the view has returned."""
    template = engines["django"].from_string("{{ request.redis.client_getname }}")

    @redis_alias("reports")
    def view(request: Any) -> SimpleTemplateResponse:
        return SimpleTemplateResponse(template, {"request": request})

    serve(view)
    assert client.get("/").content == b"reports"


def test_streamed_body_has_the_pool_of_its_view(client: Client, serve: Serve):
    """It holds that connection until the response is closed."""

    @redis_alias("reports")
    def view(request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(name_of(request) for _ in range(2))

    serve(view)
    response = client.get("/")
    chunks = iter(response)
    assert next(chunks) == b"reports"
    assert get_pool("reports").stats().in_use == 1
    assert list(chunks) == [b"reports"]
    response.close()
    assert get_pool("reports").stats().in_use == 0


@pytest.mark.parametrize("view", [by_function, by_coroutine])
def test_exhausted_pool_is_answered_503_with_its_name(
    serve: Serve, caplog: pytest.LogCaptureFixture, view: Any
):
    """The pool "default" has a connection left, which is of no use to this view."""
    serve(decorated(view))
    caplog.set_level("INFO", "redis_pool_ext")

    async def main() -> int:
        with ExitStack() as threads:
            threads.enter_context(get_pool("reports").lease()).ping()
            async with AsyncExitStack() as tasks:
                await (await tasks.enter_async_context(get_async_pool("reports").lease())).ping()
                get_pool("reports").timeout = get_async_pool("reports").timeout = TIMEOUT
                return (await AsyncClient().get("/")).status_code

    assert asyncio.run(main()) == 503
    answered = [text for text in caplog.messages if "answered 503" in text]
    assert [text.partition(" to ")[0] for text in answered] == ["reports: answered 503"]


def test_report_names_the_view(client: Client, serve: Serve, caplog: pytest.LogCaptureFixture):
    """The request is called what it is called on any pool."""

    @redis_alias("reports")
    def leaves_a_mess(request: Any) -> HttpResponse:
        request.redis.execute_command("SELECT", 1)
        return HttpResponse()

    serve(leaves_a_mess)
    client.get("/")
    (message,) = caplog.messages
    assert message.startswith("reports: connection closed instead of reused: left in SELECT")
    assert message.endswith("leaves_a_mess)")
    assert "GET / (" in message


def test_unknown_alias_is_refused_as_the_view_is_decorated():
    """When the module is imported, and not by the first visitor."""
    with pytest.raises(ConfigError, match=r"\['reprots'\]: is not configured.*default, reports"):
        redis_alias("reprots")


def test_request_without_the_middleware_says_what_is_missing():
    """Nobody would end the lease."""
    request = RequestFactory().get("/")
    with pytest.raises(ImproperlyConfigured, match=r"@redis_alias\('reports'\).*MIDDLEWARE"):
        redis_alias("reports")(by_function)(request)


def test_decorated_view_keeps_its_name_and_takes_arguments(client: Client, serve: Serve):
    """It is the same view to the URLconf, to other decorators, and to whoever reads its name."""
    view = redis_alias("reports")(by_function)
    assert (view.__name__, view.__wrapped__) == ("by_function", by_function)

    of_class = decorated(ByClass)
    serve(lambda request: of_class(request, suffix="!"))
    assert client.get("/").content == b"reports!"
