"""A streaming body keeps its lease to its end, however it ends."""

from __future__ import annotations

import gc
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse
from django.test import Client, RequestFactory

from redis_pool_ext import RedisPool
from redis_pool_ext.scope import current_scope
from tests.support.threads import spawn

from .project import middleware
from .project.views import Stage


@pytest.fixture
def serve() -> Any:
    """Serves a path as a WSGI server does: the caller iterates and closes."""
    handler = WSGIHandler()

    def get(path: str) -> Any:
        return handler(RequestFactory().get(path).environ, lambda *_: None)

    return get


def test_body_keeps_its_lease_until_closed(serve: Any, pool: RedisPool) -> None:
    """The connection that the view took is held while chunks are made, then comes back."""
    response = serve("/stream_begun/")
    assert pool.stats().in_use == 1
    next(iter(response))
    assert pool.stats().in_use == 1
    response.close()
    assert pool.stats().in_use == 0


def test_body_uses_the_lease_of_its_request(client: Client, pool: RedisPool) -> None:
    """request.redis and get_redis() in the body are one connection, the view's."""
    ids = client.get("/stream_begun/").getvalue().split()
    assert len(ids) == 2
    assert ids[0] == ids[1]
    assert pool.stats().acquired == 1


def test_body_that_was_read_gives_its_lease_back(serve: Any, pool: RedisPool) -> None:
    """At the last chunk the lease ends, before anybody closes."""
    response = serve("/stream/")
    list(response)
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0
    response.close()


def test_body_never_read_gives_its_lease_back(serve: Any, pool: RedisPool) -> None:
    """A client that goes away before the first chunk costs nothing."""
    response = serve("/stream_begun/")
    response.close()
    assert pool.stats().in_use == 0


def test_body_closed_by_another_thread_gives_its_lease_back(serve: Any, pool: RedisPool) -> None:
    """Whoever closes the response ends the lease, as ASGI does from another context."""
    response = serve("/stream_begun/")
    spawn(response.close).result()
    assert pool.stats().in_use == 0


def test_body_leaves_the_scope_between_chunks(serve: Any) -> None:
    """The server's own code between two chunks is outside the request."""
    response = serve("/stream/")
    next(iter(response))
    assert current_scope() is None
    response.close()


def test_file_keeps_its_lease_and_its_sendfile(serve: Any, pool: RedisPool) -> None:
    """A FileResponse is left as it is, for the server's sendfile; closing ends the lease."""
    Stage.file = BytesIO(b"content")
    response = serve("/file/")
    assert isinstance(response, FileResponse)
    assert response.file_to_stream is Stage.file
    assert pool.stats().in_use == 1
    response.close()
    assert pool.stats().in_use == 0


def test_response_dropped_by_another_middleware_gives_its_lease_back(
    client: Client, settings: Any, pool: RedisPool
) -> None:
    """request_finished ends what nobody closed."""
    replaces = "tests.django_wing.project.middleware.replaces"
    settings.MIDDLEWARE = [replaces, *settings.MIDDLEWARE]
    assert client.get("/stream_begun/").content == b"replaced"
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0
    middleware.dropped.pop().close()


def test_request_finished_elsewhere_ends_no_open_request(serve: Any, pool: RedisPool) -> None:
    """The next request on this thread finishes without ending a stream that is still open."""
    stream = serve("/stream_begun/")
    serve("/quiet/").close()
    assert pool.stats().in_use == 1
    stream.close()


# What the garbage collector closes it may mention: the socket was indeed forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_response_never_closed_is_collected_at_the_next_request(
    serve: Any, pool: RedisPool
) -> None:
    """A server that forgets to close loses no connection for good."""
    response = serve("/stream_begun/")
    assert pool.stats().in_use == 1
    del response
    serve("/quiet/").close()
    gc.collect()
    assert pool.stats().in_use == 0
