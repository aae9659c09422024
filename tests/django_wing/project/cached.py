"""Views that use the cache, and what is on one connection with it."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.cache import cache, caches
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.cache import cache_page

from redis_pool_ext import get_async_pool, get_pool, get_redis


def stack(request):
    """Touch all of it, and tell what the pool has out meanwhile."""
    cache.set("key", "value")
    cache.set_many({"a": 1, "b": 2})
    seen = cache.get("key"), cache.get_many(["a", "b"]), cache.add("key", "other")
    request.session["visits"] = request.session.get("visits", 0) + 1
    ids = [request.redis.client_id(), get_redis().client_id()]
    stats = get_pool().stats()
    return JsonResponse({
        "seen": seen, "ids": ids, "in_use": stats.in_use, "acquired": stats.acquired,
        "visits": request.session["visits"],
    })  # fmt: skip


async def astack(request):
    """The same, in a coroutine: all that is asynchronous is on one connection, too."""
    await cache.aset("key", "value")
    await cache.aset_many({"a": 1, "b": 2})
    seen = await cache.aget("key"), await cache.aget_many(["a", "b"])
    id_ = await request.aredis.client_id()
    stats = get_async_pool().stats()
    return JsonResponse(
        {"seen": seen, "id": id_, "in_use": stats.in_use, "acquired": stats.acquired}
    )


async def in_both(request):
    """A coroutine and what it sends to a thread: a pool each."""
    await cache.aset("key", "value")
    return HttpResponse(await sync_to_async(cache.get)("key"))


def visits(request):
    """Look into the session, and do nothing else."""
    return HttpResponse(request.session.get("visits", "a stranger"))


async def avisits(request):
    return HttpResponse(await request.session.aget("visits", "a stranger"))


def reads(_request):
    return HttpResponse(cache.get("key", "nothing"))


def of_reports(request):
    """Two caches on two aliases."""
    caches["reports"].set("key", "theirs")
    cache.set("key", "ours")
    in_use = [get_pool(alias).stats().in_use for alias in ("default", "reports")]
    return JsonResponse({"in_use": in_use, "found": caches["reports"].get("key")})


def stream(_request):
    cache.set("key", "streamed")

    def body():
        yield cache.get("key")
        yield f" {get_pool().stats().in_use}"

    return StreamingHttpResponse(body())


calls: list[str] = []


@cache_page(60)
def page(_request):
    calls.append("page")
    return HttpResponse("a page")


def searches(_request):
    """Begin to look for keys, and leave it at that."""
    cache.set_many({str(number): number for number in range(50)})
    return HttpResponse(next(cache.iter_keys("*", itersize=5)))


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (visits, avisits, stack, astack, in_both, reads, of_reports, stream, page, searches)
]
