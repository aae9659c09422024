"""The middleware: one scope per request, ended with its response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from ..aio.loops import get_async_pool
from ..budget import Budget
from ..config import ConfigError
from ..process import get_pool
from ..scope import Scope, enter_scope, leave_scope
from ..web.lazy import LazyAsyncRedis, LazyRedis
from ..web.request_policy import RequestPolicy
from .eager import process_view
from .names import RequestName
from .timing import timed

__all__ = ["RedisPoolMiddleware"]

# The scope that a streaming body has kept, for `_end_what_is_left`.
_streaming: ContextVar[Scope | None] = ContextVar("redis_pool_ext_streaming", default=None)


class RedisPoolMiddleware:
    """Gives each request a scope and two clients: `request.redis`, and `request.aredis`.

    The second is for coroutines: `await request.aredis.get("key")`. It has the running event
    loop's pool, the first one the process's pool; a request that uses both has two leases.

    The first command takes a connection, which the request then keeps: to the end of
    this middleware, or, where the response streams, until its body is closed. List it
    first: a middleware that stands before it borrows a connection per command.

    Raises `ImproperlyConfigured` when it is loaded with settings that cannot be used.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        _require_app()
        _require_pool()
        policy = _read_request_policy()
        self.seconds: float | None = policy.seconds
        self.get_response: Callable[[HttpRequest], Any] = timed(get_response)
        self.async_mode: bool = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)
        if policy.eager:  # else Django would call it for nothing, under ASGI in a thread
            self.process_view: Callable[..., Any] = process_view(in_loop=self.async_mode)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request, in a scope of its own."""
        if self.async_mode:
            return self.__acall__(request)
        scope, before = _begin(request, self.seconds)
        response: HttpResponseBase
        answered: HttpResponseBase | None = None
        try:
            answered = response = self.get_response(request)
        finally:
            _finish(scope, before, answered)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Do the same under ASGI; nothing of it waits but the rest of the stack."""
        scope, before = _begin(request, self.seconds)
        response: HttpResponseBase
        answered: HttpResponseBase | None = None
        try:
            answered = response = await self.get_response(request)
        finally:
            _finish(scope, before, answered)
        return response


def _begin(request: HttpRequest, seconds: float | None) -> tuple[Scope, Scope | None]:
    budget = None if seconds is None else Budget(seconds)
    # By place: to call a class by keywords takes half as long again.
    scope = Scope(RequestName(request), True, budget)
    request.redis = LazyRedis(scope, get_pool)  # type: ignore[attr-defined]
    request.aredis = LazyAsyncRedis(scope, get_async_pool)  # type: ignore[attr-defined]
    if _streaming.get() is not None:
        _streaming.set(None)  # an earlier request's, which is not over yet
    return scope, enter_scope(scope)


def _finish(scope: Scope, before: Scope | None, response: HttpResponseBase | None) -> None:
    """Leave the scope, and end it unless a streaming body goes on with it.

    Also after an exception: one that Django does not turn into a response (SystemExit,
    a cancelled task) leaves `response` None.
    """
    leave_scope(before)
    if response is not None and response.streaming:
        _end_with_body(response, scope)
    else:
        scope.end()


def _end_with_body(response: HttpResponseBase, scope: Scope) -> None:
    """Let the lease live as long as the streaming body."""
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        # A FileResponse stays as it is: with another body it would no longer be sent
        # by the server's own sendfile.
        if response.is_async:
            _end_with_async_body(response, scope)
        else:
            body: Any = response.streaming_content
            response.streaming_content = _each(body, scope)
    # Closed without being read, the generators above never begin. These are called in
    # order, so a generator that the view made has ended before its lease does.
    response._resource_closers.append(scope.end)  # type: ignore[attr-defined]
    _end_what_is_left_from_now_on()
    _streaming.set(scope)


def _end_with_async_body(response: StreamingHttpResponse, scope: Scope) -> None:
    """Have an asynchronous body closed with its response, which Django leaves to the collector.

    It may say good-bye to Redis in its `finally`, and by then the lease would have ended.
    """
    chunks: Any = response.streaming_content
    body = _aeach(chunks, response._iterator, scope)  # type: ignore[attr-defined]
    response.streaming_content = body

    @async_to_sync  # responses are closed in a thread; its loop does it meanwhile
    async def close() -> None:
        await body.aclose()

    def close_if_open() -> None:
        if not scope.has_ended:
            close()

    response._resource_closers.append(close_if_open)  # type: ignore[attr-defined]


def _each(chunks: Iterator[bytes], scope: Scope) -> Iterator[bytes]:
    """Make each chunk inside the scope, so that `get_redis()` there is the lease as well.

    Otherwise a body that uses the cache takes a second connection while its request
    holds one, and on a full pool the two wait for each other.
    """
    try:
        while True:
            before = enter_scope(scope)
            try:
                chunk = next(chunks)
            except StopIteration:
                return
            finally:
                leave_scope(before)
            yield chunk
    finally:
        scope.end()


async def _aeach(
    chunks: AsyncIterator[bytes], source: Any, scope: Scope
) -> AsyncGenerator[bytes, None]:
    """Do the same for an asynchronous body; a client that goes away ends it, too.

    `source` is what the view made, and has to be closed: Django wraps it, in `chunks`.
    """
    try:
        while True:
            before = enter_scope(scope)
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            finally:
                leave_scope(before)
            yield chunk
    finally:
        before = enter_scope(scope)
        try:
            if hasattr(source, "aclose"):
                await source.aclose()
        finally:
            leave_scope(before)
            scope.end()


@cache
def _end_what_is_left_from_now_on() -> None:
    """Be told of the end of each request; it costs each, and without streams none needs it."""
    request_finished.connect(_end_what_is_left, dispatch_uid="redis_pool_ext")


def _end_what_is_left(**_: Any) -> None:
    """End the lease of a streaming response that another middleware dropped unclosed.

    The net below all that (`request_finished`). Where even this does not reach, in the
    tasks of ASGI, the dropped response is collected, and its connection with it.
    """
    scope = _streaming.get()
    if scope is not None:
        _streaming.set(None)
        scope.end()


def _require_app() -> None:
    if not apps.is_installed("redis_pool_ext.django"):
        raise ImproperlyConfigured(
            'RedisPoolMiddleware needs its app: add "redis_pool_ext.django" to INSTALLED_APPS'
        )


def _read_request_policy() -> RequestPolicy:
    """Read the settings for all requests; raises `ImproperlyConfigured`."""
    try:
        return RequestPolicy.read(lambda name, default: getattr(settings, name, default))
    except ConfigError as error:
        raise ImproperlyConfigured(str(error)) from error


def _require_pool() -> None:
    try:
        get_pool()
    except ConfigError as error:
        raise ImproperlyConfigured(str(error)) from error
