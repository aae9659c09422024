"""`@redis_required` and `@redis_optional` in Django."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.test import Client

from redis_pool_ext import Priority, get_async_pool, get_pool, get_redis
from redis_pool_ext.django.decorators import redis_optional, redis_required
from redis_pool_ext.scope import current_scope

from .asgi import all_held
from .conftest import Full, Serve
from .kinds import (
    EACH_KIND,
    KINDS,
    aget,
    areads,
    idles,
    reads,
    runs,
)

# -- required ------------------------------------------------------------------------------


@EACH_KIND
@pytest.mark.usefixtures("down")
def test_required_view_without_a_server_does_not_begin(serve: Serve, kind: str) -> None:
    """It is answered 503, under WSGI and under ASGI, and nothing of it has run."""
    serve(KINDS[kind](redis_required))

    assert Client().get("/").status_code == 503
    assert asyncio.run(aget()).status_code == 503
    assert runs == []


@EACH_KIND
def test_required_view_of_a_full_pool_does_not_begin(serve: Serve, full: Full, kind: str) -> None:
    """Refused before the work, not amid it; and served when there is room again."""
    serve(KINDS[kind](redis_required))
    with full():
        assert Client().get("/").status_code == 503
        assert runs == []
    assert Client().get("/").status_code == 200
    assert runs == ["view"]


@pytest.mark.parametrize("kind", ["coroutine", "async class"])
def test_required_async_view_takes_the_connection_of_its_loop(serve: Serve, kind: str) -> None:
    """That of `request.aredis`; a full pool refuses it, and takes nothing of the threads'."""
    serve(KINDS[kind](redis_required))

    async def main() -> None:
        async with all_held():
            assert (await aget()).status_code == 503
            assert runs == []
        assert (await aget()).status_code == 200
        assert get_async_pool().stats().acquired == 3

    asyncio.run(main())
    assert get_pool().stats().acquired == 0


class Wrapped:
    """A request as Django REST framework makes one: around Django's."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def test_request_that_a_framework_has_wrapped_has_the_connection_of_its_loop(serve: Serve) -> None:
    """It is under ASGI all the same, and `aredis` is found on it."""
    inner = redis_required(areads)

    async def view(request: Any) -> HttpResponse:
        return await inner(Wrapped(request))

    serve(view)

    async def main() -> None:
        assert (await aget()).content == b"None False"
        assert get_async_pool().stats().acquired == 1

    asyncio.run(main())
    assert get_pool().stats().acquired == 0


def test_required_view_keeps_the_connection_that_was_taken(serve: Serve, client: Client) -> None:
    """One lease, one connection, given back at the end."""

    @redis_required
    def view(request: Any) -> HttpResponse:
        assert get_pool().stats().in_use == 1
        return reads(request)

    serve(view)
    assert client.get("/").content == b"None False"
    assert (get_pool().stats().acquired, get_pool().stats().in_use) == (1, 0)


@pytest.mark.usefixtures("down")
def test_required_view_that_is_not_eager_begins(serve: Serve, client: Client) -> None:
    """It is refused where it first asks for something."""
    serve(redis_required(eager=False)(reads))
    assert client.get("/").status_code == 503
    assert runs == ["view"]


def test_pool_that_borrows_per_command_is_asked_as_well(
    settings: Any, serve: Serve, url: str
) -> None:
    """There was one to be had, and nobody holds it."""
    settings.REDIS_POOLS = {
        "default": {"URL": url, "MAX_CONNECTIONS": 1, "HOLD": "command", "TIMEOUT": 5}
    }

    @redis_required
    def view(request: Any) -> HttpResponse:
        assert get_pool().stats().in_use == 0
        return idles(request)

    serve(view)
    assert Client().get("/").status_code == 200
    with get_pool().lease() as other:
        pipeline = other.pipeline()
        pipeline.watch("k")  # which holds it
        get_pool().timeout = 0.05
        assert Client().get("/").status_code == 503
        pipeline.reset()
    assert runs == ["view"]


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_policy_reaches_the_lease(serve: Serve, client: Client, decorator: Any) -> None:
    """Alias, budget and priority."""
    settings_of: list[Any] = []

    @decorator(alias="default", budget=1.5, priority="low")
    def view(request: Any) -> HttpResponse:
        request.redis.get("k")
        scope, lease = current_scope(), request.redis.connection_pool
        settings_of.extend([lease.pool.alias, lease.priority, lease.budget, scope.budget])  # type: ignore[union-attr]
        return HttpResponse()

    serve(view)
    client.get("/")
    alias, priority, budget, of_scope = settings_of
    assert (alias, priority, budget.seconds) == ("default", Priority.LOW, 1.5)
    assert budget is of_scope


def test_policy_holds_before_the_connection_is_taken(
    serve: Serve, client: Client, asked: list[Any]
) -> None:
    """The queue knows whom it has there."""
    serve(redis_required(priority="high")(idles))
    client.get("/")
    assert asked == [Priority.HIGH]


def test_alias_of_a_required_view_is_where_it_is_taken(
    settings: Any, serve: Serve, client: Client, url: str
) -> None:
    """And nothing of the default one."""
    settings.REDIS_POOLS = {"default": url, "reports": url}
    serve(redis_required(alias="reports")(reads))
    client.get("/")
    assert (get_pool().stats().acquired, get_pool("reports").stats().acquired) == (0, 1)


# -- optional ------------------------------------------------------------------------------


@pytest.mark.usefixtures("down")
def test_optional_view_without_a_server_reads_its_default(serve: Serve) -> None:
    """Sync and async, under WSGI and under ASGI."""
    for view in (redis_optional(default="none")(reads), redis_optional(default="none")(areads)):
        serve(view)
        assert Client().get("/").content == b"none True"
        assert asyncio.run(aget()).content == b"none True"


def test_optional_view_of_a_full_pool_reads_its_default(serve: Serve, full: Full) -> None:
    """And Redis' answer when there is room again."""
    serve(redis_optional(default="none")(reads))
    with full():
        assert Client().get("/").content == b"none True"
    assert Client().get("/").content == b"None False"


@pytest.mark.usefixtures("down")
def test_optional_view_that_writes_is_answered_503(serve: Serve, client: Client) -> None:
    """Reads open, writes closed."""

    @redis_optional
    def view(request: Any) -> HttpResponse:
        runs.append(request.redis.get("hits"))
        return HttpResponse(request.redis.incr("hits"))

    serve(view)
    assert client.get("/").status_code == 503
    assert runs == [None]


@pytest.mark.usefixtures("down")
def test_what_has_the_plain_client_is_not_optional(serve: Serve, client: Client) -> None:
    """Cache and sessions ask `get_redis()`, and answer for themselves."""

    @redis_optional(default="none")
    def view(request: Any) -> HttpResponse:
        return HttpResponse(get_redis().get("k"))

    serve(view)
    assert client.get("/").status_code == 503


@pytest.mark.usefixtures("down")
def test_template_and_body_after_an_optional_view_degrade_as_well(
    serve: Serve, client: Client
) -> None:
    """They are made when it has returned."""
    template = engines["django"].from_string("{{ request.redis.dbsize }}")

    @redis_optional(default="none")
    def rendered(request: Any) -> SimpleTemplateResponse:
        return SimpleTemplateResponse(template, {"request": request})

    @redis_optional(default="none")
    def streamed(request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(request.redis.get("k") for _ in range(2))

    serve(rendered)
    assert client.get("/").content == b"none"
    serve(streamed)
    assert b"".join(client.get("/")) == b"nonenone"


@pytest.mark.usefixtures("down")
def test_log_names_the_view_that_goes_on_without(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """So that nobody does so for days, unseen."""
    serve(redis_optional(reads))
    client.get("/")
    client.get("/")
    said = [text for text in caplog.messages if "goes on without Redis" in text]
    assert [text.partition(",")[0] for text in said] == [
        f"default: GET / ({reads.__module__}.reads) goes on without Redis"
    ]
    assert "s3cret" not in caplog.text
