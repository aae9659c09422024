"""A small ASGI site for a server of its own; it tells what its pool does under /stats/.

Its settings come from the environment: REDIS_URL, MAX_CONNECTIONS, TIMEOUT, CLIENT_NAME.
"""

import asyncio
import gc
import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

settings.configure(
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["redis_pool_ext.django"],
    MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware"],
    REDIS_POOLS={
        "default": {
            "URL": os.environ["REDIS_URL"],
            "MAX_CONNECTIONS": int(os.environ["MAX_CONNECTIONS"]),
            "TIMEOUT": float(os.environ["TIMEOUT"]),
            "OPTIONS": {"client_name": os.environ["CLIENT_NAME"]},
        }
    },
)
django.setup()

from redis_pool_ext import get_async_pool, status  # noqa: E402  after django.setup()

HOLD = 0.003  # seconds of a view's own work

gate = asyncio.Event()
entered: list[int] = []
served: list[int] = []


async def hits(request):
    return HttpResponse(await request.aredis.incr("hits"))


async def in_turn(request, number):
    """Hold a connection until the gate is open, and for a view's work after that."""
    entered.append(number)
    await request.aredis.connection_pool.take()
    served.append(number)
    await gate.wait()
    await asyncio.sleep(HOLD)
    return HttpResponse(await request.aredis.incr("hits"))


async def opens_the_gate(_request):
    gate.set()
    return HttpResponse("open")


async def order(_request):
    return JsonResponse({"entered": entered, "served": served})


async def stats(_request):
    gc.collect()  # whatever was forgotten complains now
    return JsonResponse(get_async_pool().stats().as_dict())


async def report(_request):
    return JsonResponse(status.process_report(samples=0))


async def blocks(request):
    return HttpResponse((await request.aredis.blpop("nothing", 0))[1])


async def holds(request):
    await request.aredis.ping()
    await asyncio.Event().wait()


async def streams(request):
    async def body():
        await request.aredis.incr("begun")
        try:
            while True:
                yield f"{await request.aredis.incr('chunks')}".ljust(65536)
        finally:
            await request.aredis.incr("ended")

    return StreamingHttpResponse(body())


async def events(request):
    async def body():
        async with request.aredis.pubsub() as pubsub:
            await pubsub.subscribe("news")
            async for message in pubsub.listen():
                yield f"{message}\n"

    return StreamingHttpResponse(body())


urlpatterns = [
    path("hits/", hits),
    path("in_turn/<int:number>/", in_turn),
    path("opens_the_gate/", opens_the_gate),
    path("order/", order),
    path("stats/", stats),
    path("report/", report),
    path("health/", include("redis_pool_ext.django.health")),
    path("blocks/", blocks),
    path("holds/", holds),
    path("streams/", streams),
    path("events/", events),
]

application = get_asgi_application()
