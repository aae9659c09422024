"""Views that use Redis once and twice, in threads and in coroutines."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpResponse
from django.urls import path

between: list[Callable[[], Any]] = []
abetween: list[Callable[[], Awaitable[Any]]] = []


def once(request):
    return HttpResponse(request.redis.incr("hits"))


def twice(request):
    request.redis.incr("hits")
    for happen in between:
        happen()
    return HttpResponse(request.redis.incr("hits"))


async def aonce(request):
    return HttpResponse(await request.aredis.incr("hits"))


async def atwice(request):
    await request.aredis.incr("hits")
    for happen in abetween:
        await happen()
    return HttpResponse(await request.aredis.incr("hits"))


urlpatterns = [
    path("once/", once),
    path("twice/", twice),
    path("aonce/", aonce),
    path("atwice/", atwice),
]
