"""One view per way of using Redis in coroutines: `request.aredis`."""

import asyncio
from contextlib import suppress
from io import BytesIO

import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse

from redis_pool_ext import get_async_redis, lease_scope

from .views import Stage


async def own_id():
    """Ask as code does that knows no request."""
    return await get_async_redis().client_id()


async def hits(request):
    return HttpResponse(await request.aredis.incr("hits"))


async def many(request):
    async with request.aredis.pipeline() as pipe:
        pipe.incr("hits")
        pipe.incr("hits")
        await pipe.execute()
    return HttpResponse(await request.aredis.get("hits"))


async def client_class(request):
    Stage.seen.append(request.aredis)
    await request.aredis.ping()
    return HttpResponse("ok")


async def gathers(request):
    tasks = [asyncio.create_task(request.aredis.client_id()) for _ in range(5)]
    commands = [request.aredis.client_id() for _ in range(5)]
    return JsonResponse({"ids": await asyncio.gather(*commands, *tasks)})


async def everything(request):
    ids = [await request.aredis.client_id(), await own_id()]
    ids.append(await asyncio.create_task(own_id()))
    with lease_scope():
        ids.append(await own_id())
    return JsonResponse({"ids": ids})


async def both(request):
    ids = [await request.aredis.client_id(), await sync_to_async(request.redis.client_id)()]
    return JsonResponse({"ids": ids})


async def stubborn(request):
    """Ask four times, as a view with a fallback for each part of its page does."""
    for _ in range(3):
        with suppress(redis.ConnectionError):
            await request.aredis.incr("hits")
    return HttpResponse(await request.aredis.incr("hits"))


async def raises(request):
    await request.aredis.ping()
    raise ValueError("a mistake in the view")


async def dirty(request):
    await request.aredis.execute_command("SELECT", 1)
    return HttpResponse("ok")


async def endless(request):
    await request.aredis.ping()
    Stage.arrived.set()
    await asyncio.Event().wait()


async def blocks(request):
    await request.aredis.blpop("nothing", 0)


async def stream(request):
    async def body():
        yield f"{await request.aredis.client_id()} "
        yield f"{await own_id()} "
        yield f"{await asyncio.create_task(own_id())}"

    return StreamingHttpResponse(body())


async def stream_begun(request):
    await request.aredis.ping()
    return await stream(request)


async def stream_both(request):
    await sync_to_async(request.redis.ping)()
    return await stream(request)


async def stream_endless(request):
    async def body():
        yield f"{await request.aredis.client_id()}"
        await asyncio.Event().wait()

    return StreamingHttpResponse(body())


async def stream_blocks(request):
    async def body():
        yield f"{await request.aredis.client_id()}"
        await request.aredis.blpop("nothing", 0)

    return StreamingHttpResponse(body())


async def events(request):
    """Pass on what is published, as views of server-sent events do."""

    async def body():
        async with request.aredis.pubsub() as pubsub:
            await pubsub.subscribe("news")
            async for message in pubsub.listen():
                yield message["type"]

    return StreamingHttpResponse(body())


async def says_good_bye(request):
    async def body():
        try:
            yield f"{await request.aredis.client_id()}"
            await asyncio.Event().wait()
        finally:
            Stage.seen.append(await request.aredis.client_id())
            Stage.seen.append(await own_id())
            await sync_to_async(request.redis.ping)()

    return StreamingHttpResponse(body())


async def stream_raises(request):
    async def body():
        yield f"{await request.aredis.client_id()}"
        raise ValueError("a mistake in the body")

    return StreamingHttpResponse(body())


async def file(request):
    await request.aredis.ping()
    return FileResponse(BytesIO(b"content"))


async def leaves_a_task(request):
    """Leave a task that goes on when the test says so."""
    await request.aredis.ping()
    Stage.task = asyncio.create_task(_goes_on(request))
    return HttpResponse("ok")


async def leaves_a_task_unused(request):
    """Do the same, without a command of its own."""
    Stage.task = asyncio.create_task(_goes_on(request))
    return HttpResponse("ok")


async def _goes_on(request):
    await Stage.arrived.wait()
    with suppress(redis.RedisError):
        await Stage.akeeping(request.aredis.ping())
    Stage.seen.append(await get_async_redis().echo("later"))


async def leaves_a_command(request):
    """Leave a task in the middle of a command; the test says when it is."""
    Stage.task = asyncio.create_task(Stage.akeeping(request.aredis.blpop("nothing", 0)))
    await Stage.arrived.wait()
    return HttpResponse("ok")


def from_sync(request):
    """Call coroutines from a sync view: without a running loop each call has one of its own."""

    @async_to_sync
    async def hit():
        return await request.aredis.incr("hits")

    return JsonResponse({"hits": [hit(), hit(), hit()]})


def from_sync_by_both_doors(request):
    @async_to_sync
    async def ask():
        return await request.aredis.client_id(), await own_id()

    return JsonResponse({"ids": [ask(), ask(), ask()]})


def from_sync_both_pools(request):
    @async_to_sync
    async def ask():
        return await request.aredis.client_id()

    return JsonResponse({"ids": [request.redis.client_id(), ask()]})


def from_sync_stream(request):
    @async_to_sync
    async def begin():
        await request.aredis.ping()
        return await stream(request)

    return begin()


ALL = [
    hits,
    many,
    client_class,
    gathers,
    everything,
    both,
    stubborn,
    raises,
    dirty,
    endless,
    blocks,
    stream,
    stream_begun,
    stream_both,
    stream_endless,
    stream_blocks,
    events,
    says_good_bye,
    stream_raises,
    file,
    leaves_a_task,
    leaves_a_task_unused,
    leaves_a_command,
    from_sync,
    from_sync_by_both_doors,
    from_sync_both_pools,
    from_sync_stream,
]
