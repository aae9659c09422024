"""Decorators around each other, around those of others, and on classes, in Django."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from redis_pool_ext import ConfigError, Priority, get_async_pool, get_pool, get_redis
from redis_pool_ext.django.decorators import redis_alias, redis_optional, redis_required

from .conftest import Serve
from .kinds import (
    ByAsyncClass,
    ByClass,
    aget,
    idles,
    of_class,
    reads,
    runs,
)


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


@pytest.mark.usefixtures("down")
def test_optional_within_required_goes_on_without(serve: Serve) -> None:
    """The outer one takes nothing that the inner one would do without, also of a class."""

    @method_decorator(redis_required, name="dispatch")
    class OptionalMethod(View):
        @method_decorator(redis_optional(default="none"))
        def get(self, request: Any) -> HttpResponse:
            return reads(request)

    optional = redis_optional(default="none")(reads)
    for view in (
        redis_required(optional),
        OptionalMethod.as_view(),
        redis_required(OptionalMethod.as_view()),
    ):
        serve(view)
        assert Client().get("/").content == b"none True"


def test_alias_within_required_is_where_it_is_taken(
    settings: Any, serve: Serve, client: Client, url: str
) -> None:
    """And nothing of the default pool, which the view does not use."""
    settings.REDIS_POOLS = {"default": url, "reports": url}
    serve(redis_required(redis_alias("reports")(idles)))
    client.get("/")
    assert (get_pool().stats().acquired, get_pool("reports").stats().acquired) == (0, 1)


def passes_on(view: Any) -> Any:
    """Be a decorator that knows nothing of coroutines, as most of `dispatch` are."""

    @wraps(view)
    def passing_on(request: Any, *args: Any, **kwargs: Any) -> Any:
        if "stop" in request.GET:
            return HttpResponse(status=302)
        return view(request, *args, **kwargs)

    return passing_on


def test_list_of_decorators_on_an_async_class_takes_the_connection_of_its_loop(
    serve: Serve,
) -> None:
    """Whatever is between ours and `dispatch`, which may answer by itself, too."""
    serve(of_class(ByAsyncClass, [redis_required, passes_on], "dispatch"))

    async def main() -> None:
        assert (await aget()).status_code == 200
        assert (await aget("/?stop")).status_code == 302
        assert get_async_pool().stats().acquired == 2

    asyncio.run(main())
    assert get_pool().stats().acquired == 0


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_method_that_is_decorated_like_a_function_says_what_to_write(
    serve: Serve, client: Client, decorator: Any
) -> None:
    """Its first argument is no request, and the request's client would not be the chosen one."""

    class Bare(View):
        @decorator
        def get(self, request: Any) -> HttpResponse:
            return idles(request)

    serve(Bare.as_view())
    with pytest.raises(TypeError, match=r"with Bare, which is no request; .* @method_decorator\("):
        client.get("/")
    assert runs == []


def test_view_keeps_what_other_decorators_say_of_it() -> None:
    """Django looks for their marks on the outermost function."""
    view = redis_required(csrf_exempt(login_not_required(idles)))
    assert view.csrf_exempt
    assert not view.login_required


def test_what_asks_above_a_view_does_not_know_its_priority(
    serve: Serve, client: Client, asked: list[Any]
) -> None:
    """A check of the session, say; below it, it goes before others as the view does."""

    def checks(view: Any) -> Any:
        @wraps(view)
        def checking(request: Any) -> HttpResponse:
            get_redis().get("session")
            return view(request)  # type: ignore[no-any-return]

        return checking

    required = redis_required(priority="high")
    for view in (checks(required(idles)), required(checks(idles))):
        serve(view)
        client.get("/")
    assert asked == [Priority.NORMAL, Priority.HIGH]
