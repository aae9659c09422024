"""The web frameworks of asyncio, as docs/asyncio.md sets them up, and a server for them.

Each site adds views in its framework's way: a view is given the request's client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import redis.asyncio

from redis_pool_ext import AsyncRedisPool, get_async_pool, get_async_redis

from ..support.pages import DOCS, block_with, load

Message = dict[str, Any]
View = Callable[[redis.asyncio.Redis], Awaitable[str]]
Body = Callable[[redis.asyncio.Redis], AsyncGenerator[str, None]]


class Site:
    """An application of the page, on the test's server."""

    # What tells its block on the page from the others.
    shown: str

    def __init__(self, url: str) -> None:
        self.names = load(block_with(DOCS / "asyncio.md", self.shown), url)
        self.app: Any = self.names["app"]

    @property
    def pool(self) -> AsyncRedisPool:
        return get_async_pool()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        """Start and stop the application; in between there is a client of it."""
        over = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with (
            self.lifespan(),
            httpx.AsyncClient(transport=over, base_url="http://here") as client,
        ):
            yield client

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.app.router.lifespan_context(self.app):
            yield

    def add(self, path: str, view: View) -> None:
        """Answer `path` with what `view` returns."""
        raise NotImplementedError

    def add_stream(self, path: str, body: Body) -> None:
        """Answer `path` with what `body` yields, as it comes."""
        raise NotImplementedError


class Starlette(Site):
    shown = 'routes=[Route("/", index)]'

    def add_endpoint(self, path: str, endpoint: Any) -> None:
        from starlette.routing import Route

        self.app.router.routes.append(Route(path, endpoint))

    def add(self, path: str, view: View) -> None:
        from starlette.responses import PlainTextResponse

        async def endpoint(_request: Any) -> Any:
            return PlainTextResponse(await view(get_async_redis()))

        self.add_endpoint(path, endpoint)

    def add_stream(self, path: str, body: Body) -> None:
        from starlette.responses import StreamingResponse

        async def endpoint(_request: Any) -> Any:
            return StreamingResponse(body(get_async_redis()))

        self.add_endpoint(path, endpoint)


class FastAPI(Site):
    shown = "app = FastAPI("

    @property
    def pool(self) -> AsyncRedisPool:
        return self.app.state.redis_pool

    def leased(self) -> Any:
        from fastapi import Depends

        return Depends(self.names["leased"])

    def add(self, path: str, view: View) -> None:
        from fastapi.responses import PlainTextResponse

        leased = self.leased()

        async def endpoint(redis=leased):
            return await view(redis)

        self.app.add_api_route(path, endpoint, response_class=PlainTextResponse)

    def add_stream(self, path: str, body: Body) -> None:
        from fastapi.responses import StreamingResponse

        leased = self.leased()

        async def endpoint(redis=leased):
            return StreamingResponse(body(redis))

        self.app.add_api_route(path, endpoint, response_class=StreamingResponse)


class Quart(Site):
    shown = "app = Quart("

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.app.test_app():
            yield

    def add(self, path: str, view: View) -> None:
        async def endpoint() -> str:
            return await view(get_async_redis())

        self.app.add_url_rule(path, endpoint=path, view_func=endpoint)

    def add_stream(self, path: str, body: Body) -> None:
        async def endpoint() -> Any:
            return body(get_async_redis())

        self.app.add_url_rule(path, endpoint=path, view_func=endpoint)


SITES = {"starlette": Starlette, "fastapi": FastAPI, "quart": Quart}


async def serve(
    app: Any,
    path: str,
    gone: asyncio.Event | None = None,
    on_body: Callable[[], None] = lambda: None,
) -> list[Message]:
    """Serve one request as an ASGI server does; `gone` is the client's disconnect.

    `on_body` is called as each piece of the body is sent.
    """
    gone = gone or asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"here")],
    }
    incoming = iter([{"type": "http.request"}])
    sent: list[Message] = []

    async def receive() -> Message:
        for message in incoming:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body"):
            on_body()
        if message["type"] == "http.response.body" and not message.get("more_body"):
            gone.set()  # nobody listens any more

    await asyncio.wait_for(app(scope, receive, send), 20)
    return sent
