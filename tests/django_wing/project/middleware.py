"""Middleware of the test project."""

from asgiref.sync import iscoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware

from redis_pool_ext import get_async_redis, get_redis
from redis_pool_ext.django.middleware import RedisPoolMiddleware

from .views import Stage

dropped = []


def uses_redis(get_response):
    """Ask Redis something on the way in."""

    def middleware(request):
        get_redis().ping()
        return get_response(request)

    return middleware


@async_only_middleware
def uses_aredis(get_response):
    """Ask Redis something on the way in and on the way out, in coroutines."""

    async def middleware(request):
        Stage.seen.append(await get_async_redis().client_id())
        response = await get_response(request)
        Stage.seen.append(await get_async_redis().client_id())
        return response

    return middleware


def replaces(get_response):
    """Answer something else, and never close the response that came from inside."""

    def middleware(request):
        dropped.append(get_response(request))
        return HttpResponse("replaced")

    return middleware


@async_only_middleware
def areplaces(get_response):
    """Do the same, in coroutines."""

    async def middleware(request):
        dropped.append(await get_response(request))
        return HttpResponse("replaced")

    return middleware


class Derived(RedisPoolMiddleware):
    """The middleware under a project's own name."""


@sync_and_async_middleware
def times_itself(get_response):
    """Write `Server-Timing` itself, as a project's own middleware may."""
    if iscoroutinefunction(get_response):

        async def answer(request):
            response = await get_response(request)
            response.headers["Server-Timing"] = "app;dur=1.5"
            return response

    else:

        def answer(request):
            response = get_response(request)
            response.headers["Server-Timing"] = "app;dur=1.5"
            return response

    return answer
