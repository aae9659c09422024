"""Middleware of the test project."""

from django.http import HttpResponse

from redis_pool_ext import get_redis
from redis_pool_ext.django.middleware import RedisPoolMiddleware

dropped = []


def uses_redis(get_response):
    """Ask Redis something on the way in."""

    def middleware(request):
        get_redis().ping()
        return get_response(request)

    return middleware


def replaces(get_response):
    """Answer something else, and never close the response that came from inside."""

    def middleware(request):
        dropped.append(get_response(request))
        return HttpResponse("replaced")

    return middleware


class Derived(RedisPoolMiddleware):
    """The middleware under a project's own name."""
