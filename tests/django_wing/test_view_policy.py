"""`@redis_required`, `@redis_optional`, REDIS_POOL_EAGER and REDIS_POOL_BUDGET in Django."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import clear_url_caches, include, path
from django.utils.decorators import method_decorator
from django.views import View

from redis_pool_ext import (
    ConfigError,
    Priority,
    RedisPool,
    get_async_pool,
    get_pool,
    get_redis,
)
from redis_pool_ext.django.checks import TAG
from redis_pool_ext.django.decorators import redis_alias, redis_optional, redis_required
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.scope import current_scope

from .asgi import MODES, OURS, all_held
from .conftest import Full

Serve = Callable[[Any], None]

runs: list[str] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    runs.clear()


@pytest.fixture
def serve(settings: Any) -> Iterator[Serve]:
    """Make a view the one at "/"; our health views are below "/health/"."""
    settings.MIDDLEWARE = [OURS]
    urls = ModuleType("urls")

    def one(view: Any) -> None:
        urls.urlpatterns = [  # type: ignore[attr-defined]
            path("", view),
            path("health/", include("redis_pool_ext.django.health")),
        ]
        settings.ROOT_URLCONF = urls

    yield one
    clear_url_caches()


@pytest.fixture
def down(settings: Any, nobody_there: str, pool: RedisPool) -> None:
    """A project whose server is not there."""
    entry = {"URL": nobody_there, "TIMEOUT": 5}
    settings.REDIS_POOLS = {"default": entry, "reports": entry}


def reads(request: Any) -> HttpResponse:
    runs.append("view")
    return HttpResponse(f"{request.redis.get('k')} {request.redis.is_degraded}")


async def areads(request: Any) -> HttpResponse:
    runs.append("view")
    return HttpResponse(f"{await request.aredis.get('k')} {request.aredis.is_degraded}")


def idles(request: Any) -> HttpResponse:
    """Run without a command."""
    runs.append("view")
    return HttpResponse()


async def aidles(request: Any) -> HttpResponse:
    return idles(request)


class ByClass(View):
    def get(self, request: Any) -> HttpResponse:
        return idles(request)


class ByAsyncClass(View):
    async def get(self, request: Any) -> HttpResponse:
        return idles(request)


def of_class(kind: type[View], decorator: Any, name: str) -> Any:
    """Return a view of a class that is decorated as Django has it."""
    made: Any = type(kind.__name__, (kind,), {"get": kind.get})  # type: ignore[attr-defined]
    return method_decorator(decorator, name=name)(made).as_view()


KINDS = {
    "function": lambda decorator: decorator(idles),
    "coroutine": lambda decorator: decorator(aidles),
    "class": lambda decorator: of_class(ByClass, decorator, "dispatch"),
    "async class": lambda decorator: of_class(ByAsyncClass, decorator, "dispatch"),
    "method": lambda decorator: of_class(ByClass, decorator, "get"),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


async def aget(path: str = "/") -> Any:
    return await AsyncClient().get(path)


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
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue knows whom it has there."""
    asked: list[Any] = []
    own = RedisPool.get_connection

    def get_connection(self: RedisPool, *args: Any, **options: Any) -> Any:
        asked.append(options["priority"])
        return own(self, *args, **options)

    monkeypatch.setattr(RedisPool, "get_connection", get_connection)
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


# -- several -------------------------------------------------------------------------------


@pytest.mark.usefixtures("down")
def test_nested_policies_the_inner_wins_and_the_outer_fills_in(
    serve: Serve, client: Client
) -> None:
    """A required method of an optional class; an alias around it."""
    serve(redis_optional(default="none")(redis_required(eager=False)(reads)))
    assert client.get("/").status_code == 503

    names: list[str] = []

    @redis_alias("reports")
    @redis_optional(default="none")
    def view(request: Any) -> HttpResponse:
        names.append(request.redis.connection_pool.pool.alias)
        return reads(request)

    serve(view)
    assert client.get("/").content == b"none True"
    assert names == ["reports"]


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_unknown_alias_is_refused_as_the_view_is_decorated(decorator: Any) -> None:
    """By every one of them."""
    with pytest.raises(ConfigError, match=r"\['reprots'\]: is not configured.*default"):
        decorator(alias="reprots")


def test_wrong_arguments_are_refused_as_the_view_is_decorated() -> None:
    """With the name of the decorator and of the argument."""
    with pytest.raises(ConfigError, match=r"@redis_optional\(budget=...\): -1"):
        redis_optional(budget=-1)
    with pytest.raises(ConfigError, match=r"@redis_required: 'reports' is no view"):
        redis_required("reports")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"the class ByClass is no view.*method_decorator"):
        redis_optional(ByClass)


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_request_without_the_middleware_says_what_is_missing(decorator: Any) -> None:
    """Nobody would end the lease."""
    with pytest.raises(ImproperlyConfigured, match=r"@redis_\w+ needs RedisPoolMiddleware"):
        decorator(idles)(RequestFactory().get("/"))


# -- for all views -------------------------------------------------------------------------


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
    settings.REDIS_POOL_STATUS_GUARD = "tests.django_wing.test_view_policy.lets_in"
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
