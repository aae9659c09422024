"""A lease ends when its response is closed: bodies that are made while they are sent."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask, Response, abort, g, send_file, stream_with_context

from redis_pool_ext import RedisPool, get_redis, lease_scope
from redis_pool_ext.flask import current_redis
from redis_pool_ext.scope import current_scope

from .support import make_app, pool_of


@pytest.fixture
def app(url: str) -> Flask:
    """An app that streams in each of the ways that Flask knows."""
    app = make_app(url)

    @app.get("/plain-stream")
    def plain_stream() -> Response:
        client = g.redis  # a plain generator has no `g` any more when it runs
        client.ping()

        def body() -> Iterator[str]:
            for _ in range(3):
                yield f"{client.client_id()}\n"

        return Response(body())

    @app.get("/context-stream")
    def context_stream() -> Response:
        current_redis.ping()

        def body() -> Iterator[str]:
            for client in (current_redis, g.redis, get_redis()):
                yield f"{client.client_id()}\n"

        return Response(stream_with_context(body()))

    @app.get("/lazy-stream")
    def lazy_stream() -> Response:
        client = g.redis
        return Response(f"{client.client_id()}\n" for _ in range(3))

    return app


@pytest.fixture
def pool(app: Flask) -> RedisPool:
    """The app's default pool."""
    return pool_of(app)


STREAMS = ["/plain-stream", "/context-stream", "/lazy-stream"]


@pytest.mark.parametrize("path", STREAMS)
def test_streamed_body_keeps_the_lease_until_closed(app, pool, path):
    """The body runs on the request's connection, which comes back when it is closed."""
    response = app.test_client().get(path)
    assert len(set(response.text.split())) == 1
    assert pool.stats().in_use == 1
    response.close()
    assert (pool.stats().in_use, pool.stats().idle, pool.stats().acquired) == (0, 1, 1)


@pytest.mark.parametrize("path", STREAMS)
def test_stream_read_half_gives_the_connection_back_when_closed(app, pool, path):
    """A client that goes away half-way costs no connection."""
    response = app.test_client().get(path)
    next(iter(response.iter_encoded()))
    response.close()
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)
    assert current_scope() is None


@pytest.mark.parametrize("path", STREAMS)
def test_stream_never_started_gives_the_connection_back_when_closed(app, pool, path):
    """HEAD answers without a body: its generator never runs, the lease ends all the same."""
    response = app.test_client().head(path)
    response.close()
    assert pool.stats().in_use == 0
    assert pool.stats().discarded == {}
    assert current_scope() is None


@pytest.mark.parametrize("path", STREAMS)
def test_stream_closed_twice_ends_the_lease_once(app, pool, path):
    """Closing a response again changes nothing."""
    response = app.test_client().get(path)
    response.get_data()
    response.close()
    response.close()
    assert pool.stats().in_use == 0
    assert pool.stats().double_releases == 0


@pytest.mark.parametrize("path", STREAMS)
def test_stream_that_nobody_closes_loses_no_slot(app, pool, path):
    """A response that is dropped unclosed, as tests do, frees its connection."""
    app.test_client().get(path).get_data()
    gc.collect()
    assert pool.stats().in_use == 0


def test_request_between_two_chunks_has_its_own_lease(app, pool):
    """The next request in the thread of a stream does not join the stream's scope."""
    streaming = app.test_client().get("/plain-stream")
    chunks = iter(streaming.iter_encoded())
    next(chunks)
    assert current_scope() is None
    assert app.test_client().get("/hit").text == "1"
    assert (pool.stats().acquired, pool.stats().in_use) == (2, 1)
    next(chunks)
    streaming.close()
    assert (pool.stats().in_use, pool.stats().idle) == (0, 2)


def test_two_streams_in_turn_keep_their_own_leases(app, pool):
    """Streams that are read alternately never share a connection."""
    streams = [app.test_client().get("/plain-stream") for _ in range(2)]
    assert pool.stats().in_use == 2
    bodies = [iter(stream.iter_encoded()) for stream in streams]
    first, second, *_ = [next(body) for _ in range(2) for body in bodies]
    assert first != second
    for stream in streams:
        stream.close()
    assert pool.stats().in_use == 0


def test_request_inside_a_suspended_context_stream_disturbs_nothing(app, pool):
    """Flask keeps the stream's context pushed between chunks, so a request there shares it."""
    streaming = app.test_client().get("/context-stream")
    chunks = iter(streaming.iter_encoded())
    first = next(chunks)
    app.test_client().get("/hit").close()
    assert next(chunks) == first
    streaming.close()
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)
    assert current_scope() is None


def test_stream_consumed_inside_its_view_ends_with_the_request(app, pool):
    """A body that is read within the request pushes the context twice, and ends it once."""

    @app.get("/consumed")
    def consumed() -> str:
        return "".join(stream_with_context(str(current_redis.ping()) for _ in range(2)))

    assert app.test_client().get("/consumed").text == "TrueTrue"
    assert pool.stats().in_use == 0
    assert current_scope() is None


def test_streaming_request_in_an_outer_context_does_not_end_it(app, pool):
    """A response of an inner request is closed; the outer context's lease goes on."""
    with app.app_context():
        mine = current_redis.client_id()
        response = app.test_client().get("/plain-stream")
        response.get_data()
        response.close()
        assert current_redis.client_id() == mine
    assert pool.stats().in_use == 0


def test_stream_outlives_the_outer_context_it_was_made_in(app, pool):
    """The lease ends with the last of the outer context and the response."""
    with app.app_context():
        response = app.test_client().get("/plain-stream")
    assert pool.stats().in_use == 1
    assert len(response.text.split()) == 3
    response.close()
    assert pool.stats().in_use == 0


def test_body_handed_through_keeps_the_lease_too(app, pool):
    """With direct_passthrough the response is not closed by Werkzeug; the body is."""

    @app.get("/through")
    def through() -> Response:
        client = g.redis
        client.ping()
        body = (b"%d\n" % client.client_id() for _ in range(3))
        return Response(body, direct_passthrough=True)

    response = app.test_client().get("/through")
    assert len(set(response.text.split())) == 1
    response.close()
    assert (pool.stats().in_use, pool.stats().idle, pool.stats().acquired) == (0, 1, 1)


def test_file_response_ends_the_lease_with_the_request(app, pool):
    """A file needs no Redis while it is sent, and reaches the server in its own wrapper."""
    seen: list[Any] = []

    @app.get("/file")
    def file() -> Response:
        current_redis.ping()
        response = send_file(BytesIO(b"content"), "text/plain")
        seen.append(response.response)
        return response

    environ = {"wsgi.file_wrapper": lambda file, size=0: iter([file.read()])}
    response = app.test_client().get("/file", environ_overrides=environ)
    assert pool.stats().in_use == 0
    assert response.data == b"content"
    response.close()


def test_error_page_after_a_command_keeps_no_connection(app, pool):
    """A page that Flask makes of an abort() only looks streamed; nobody need close it."""

    @app.get("/abort")
    def aborted() -> None:
        current_redis.ping()
        abort(404)

    response = app.test_client().get("/abort")
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)
    assert response.status_code == 404
    assert "<title>404 Not Found</title>" in response.text


def test_stream_of_declared_length_is_not_read_ahead(app, pool):
    """A small body whose length is known is streamed like any other."""
    sent: list[int] = []

    @app.get("/known")
    def known() -> Response:
        client = g.redis
        body = (sent.append(number) or str(client.ping()) for number in range(3))
        return Response(body, headers={"Content-Length": "12"})

    response = app.test_client().get("/known")
    assert len(sent) == 1  # the test client itself asks for the first chunk
    assert response.text == "TrueTrueTrue"
    response.close()
    assert pool.stats().in_use == 0


def test_stream_in_a_lease_scope_ends_with_the_scope(app, pool):
    """Whoever opened a `lease_scope()` around a request says how long it lasts."""
    with lease_scope():
        response = app.test_client().get("/plain-stream")
        assert len(response.text.split()) == 3
        response.close()
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0


def test_body_that_raises_gives_the_connection_back(app, pool):
    """An error in the middle of a body ends the lease when the server closes it."""

    @app.get("/failing")
    def failing() -> Response:
        client = g.redis

        def body() -> Iterator[str]:
            yield str(client.ping())
            raise ZeroDivisionError

        return Response(body())

    response = app.test_client().get("/failing")
    with pytest.raises(ZeroDivisionError):
        response.get_data()
    response.close()
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


def test_body_that_raises_on_close_loses_no_slot(app, pool):
    """When a body's own clean-up fails, the connection is freed with its response."""

    @app.get("/failing")
    def failing() -> Response:
        client = g.redis

        def body() -> Iterator[str]:
            try:
                yield str(client.ping())
                yield "more"
            finally:
                raise ZeroDivisionError

        return Response(body())

    response = app.test_client().get("/failing")
    with pytest.raises(ZeroDivisionError):
        response.close()
    del response
    gc.collect()
    assert pool.stats().in_use == 0


def test_long_stream_may_give_its_connection_back_early(app, pool):
    """A stream that waits for something else holds no connection meanwhile."""

    @app.get("/patient")
    def patient() -> Response:
        client = g.redis

        def body() -> Iterator[str]:
            yield str(client.ping())
            client.release()
            yield "waiting"

        return Response(body())

    response = app.test_client().get("/patient")
    chunks = iter(response.iter_encoded())
    next(chunks)
    assert pool.stats().in_use == 1
    next(chunks)
    assert pool.stats().in_use == 0
    response.close()


def test_stream_that_outlives_its_context_is_still_named(app, caplog):
    """The log names the request whose body left its connection in another state."""

    @app.get("/dirty-stream")
    def dirty_stream() -> Response:
        client = g.redis
        return Response(str(client.select(number)) for number in (5,))

    with caplog.at_level(logging.WARNING, "redis_pool_ext"):
        app.test_client().get("/dirty-stream").close()
    assert caplog.messages[0].endswith("by GET /dirty-stream (dirty_stream)")
