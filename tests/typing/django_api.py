# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The Django wing, used as projects do: checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import redis
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from redis_pool_ext.aio.client import LeasedAsyncRedis
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.django.cache import RedisPoolCache
from redis_pool_ext.django.decorators import redis_alias, redis_optional, redis_required
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.django.requests import RedisHttpRequest, RedisRequestMixin
from redis_pool_ext.django.sessions import SessionStore

# -- requests ------------------------------------------------------------------------------


def index(request: RedisHttpRequest) -> HttpResponse:
    assert_type(request.redis, LeasedRedis)
    assert_type(request.redis.incrby("hits"), int)
    assert_type(request.redis.get("hits"), bytes | str | None)
    assert_type(request.redis.is_degraded, bool)
    assert_type(request.method, str | None)  # and all the rest of Django's
    request.redis.release()
    return HttpResponse(request.redis.incrby("hits"))


async def aindex(request: RedisHttpRequest) -> HttpResponse:
    assert_type(request.aredis, LeasedAsyncRedis)
    assert_type(await request.aredis.incrby("hits"), int)
    await request.aredis.release()
    return HttpResponse(await request.aredis.incrby("hits"))


class OwnRequest(RedisRequestMixin, HttpRequest):
    """One of a project, which knows more of its requests."""

    user: User  # pyright: ignore[reportIncompatibleVariableOverride]  # behind LoginRequiredMiddleware


def profile(request: OwnRequest) -> HttpResponse:
    assert_type(request.user, User)
    client: redis.Redis = request.redis
    return HttpResponse(client.get(request.user.username))


def plain(request: HttpRequest) -> None:
    print(request.redis)  # type: ignore[attr-defined]
    index(request)  # type: ignore[arg-type]


def wrong_key(request: RedisHttpRequest) -> None:
    request.redis.get(["hits"])  # type: ignore[arg-type]
    print(request.reids)  # type: ignore[attr-defined]


# -- decorators keep the view's signature ----------------------------------------------------


@redis_alias("reports")
def report(request: RedisHttpRequest, year: int) -> HttpResponse:
    return HttpResponse(str(year))


@redis_required
def vote(request: RedisHttpRequest, poll: int) -> HttpResponse:
    return HttpResponse(str(poll))


@redis_required(alias="reports", budget=2.0, priority="low", eager=False)
async def slow(request: RedisHttpRequest, poll: int) -> HttpResponse:
    return HttpResponse(str(poll))


@redis_optional
def visits(request: RedisHttpRequest) -> HttpResponse:
    return HttpResponse("many")


@redis_optional(default=b"many", alias="reports", budget=2.0, priority="high")
def counted(request: RedisHttpRequest, *, page: str) -> HttpResponse:
    return HttpResponse(page)


@method_decorator(redis_alias("reports"), name="dispatch")
class Report(View):
    @method_decorator(redis_required)
    def get(self, request: RedisHttpRequest) -> HttpResponse:
        return index(request)


async def calls_them(request: RedisHttpRequest) -> None:
    assert_type(report(request, 2026), HttpResponse)
    assert_type(vote(request, poll=1), HttpResponse)
    assert_type(await slow(request, 1), HttpResponse)
    assert_type(visits(request), HttpResponse)
    assert_type(counted(request, page="1"), HttpResponse)

    report(request, "2026")  # type: ignore[arg-type]
    vote(request)  # type: ignore[call-arg]
    counted(request, 1)  # type: ignore[call-arg, arg-type]


redis_alias()  # type: ignore[call-arg]
redis_alias(report)  # type: ignore[arg-type]
redis_required("reports")  # type: ignore[call-overload]
redis_required(default=0)  # type: ignore[call-overload]
redis_optional(eager=True)  # type: ignore[call-overload]
redis_optional(budget="2 s")  # type: ignore[call-overload]

# -- URLs, middleware, cache, sessions ---------------------------------------------------------

urlpatterns = [
    path("", index),
    path("a/", aindex),
    path("report/<int:year>/", report),
    path("class/", Report.as_view()),
    path("health/", include("redis_pool_ext.django.health")),
    path("redis-pool/", include("redis_pool_ext.django.status")),
]


def get_response(request: HttpRequest) -> HttpResponse:
    return HttpResponse("here")


RedisPoolMiddleware(get_response)


def of_the_cache(cache: RedisPoolCache) -> None:
    assert_type(cache.incr("hits"), int)


def of_a_session(session: SessionStore) -> None:
    session["visits"] = 1
    session.save()
