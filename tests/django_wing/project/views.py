"""One view per way of using Redis in a request."""

import asyncio
from contextlib import suppress

import redis
from asgiref.sync import sync_to_async
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.views import View

from redis_pool_ext import get_redis, lease_scope


class Stage:
    """What a test puts here for views to use, and views for the test to find."""

    arrived: asyncio.Event
    file: object
    seen: list[object]
    task: asyncio.Task

    @classmethod
    def keeping(cls, function, *args):
        """Call a function, and keep what it raises where the test finds it."""
        try:
            return function(*args)
        except BaseException as error:
            cls.seen.append(error)
            raise

    @classmethod
    async def akeeping(cls, awaitable):
        """Do the same with what is awaited."""
        try:
            return await awaitable
        except BaseException as error:
            cls.seen.append(error)
            raise


def hits(request):
    return HttpResponse(request.redis.incr("hits"))


def stubborn(request):
    """Ask four times, as a view with a fallback for each part of its page does."""
    for _ in range(3):
        with suppress(redis.ConnectionError):
            request.redis.incr("hits")
    return HttpResponse(request.redis.incr("hits"))


def quiet(_request):
    return HttpResponse("ok")


def client_class(request):
    Stage.seen.append(request.redis)
    return HttpResponse("ok")


def lazy_template(request):
    # Rendered after the view has returned: the callable runs in the template.
    return TemplateResponse(request, "lazy.html", {"hits": lambda: get_redis().incr("hits")})


def writes_session(request):
    # A new session is not loaded; the session middleware stores it after the view.
    request.session["visited"] = True
    return HttpResponse("ok")


def everything(request):
    ids = [request.redis.client_id(), get_redis().client_id()]
    with lease_scope():
        ids.append(get_redis().client_id())
    request.session["ids"] = ids
    return JsonResponse({"ids": ids})


def wrong_command(request):
    request.redis.set("text", "not a number")
    return HttpResponse(request.redis.incr("text"))


def wraps_the_error(request):
    try:
        request.redis.ping()
    except Exception as error:
        raise RuntimeError("the project's own") from error


def raises(request):
    request.redis.ping()
    raise ValueError("a mistake in the view")


def exits(request):
    request.redis.ping()
    raise SystemExit


def dirty(request):
    request.redis.execute_command("SELECT", 1)
    return HttpResponse("ok")


class DirtyView(View):
    """A class-based view that leaves its connection in another database."""

    def get(self, request):
        return dirty(request)


def stream(request):
    def body():
        yield f"{request.redis.client_id()} "
        yield f"{get_redis().client_id()}"

    return StreamingHttpResponse(body())


def stream_begun(request):
    request.redis.ping()
    return stream(request)


def file(request):
    request.redis.ping()
    return FileResponse(Stage.file)


async def async_hits(request):
    return HttpResponse(await sync_to_async(request.redis.incr)("hits"))


async def async_quiet(_request):
    return HttpResponse("ok")


async def async_endless(request):
    await sync_to_async(request.redis.ping)()
    Stage.arrived.set()
    await asyncio.Event().wait()


async def async_blocks(request):
    await sync_to_async(Stage.keeping)(request.redis.blpop, "nothing", 0)


async def async_stream(request):
    async def body():
        yield f"{await sync_to_async(request.redis.client_id)()} "
        yield f"{await sync_to_async(lambda: get_redis().client_id())()}"

    return StreamingHttpResponse(body())


async def async_stream_endless(request):
    async def body():
        yield f"{await sync_to_async(request.redis.client_id)()}"
        await asyncio.Event().wait()

    return StreamingHttpResponse(body())
