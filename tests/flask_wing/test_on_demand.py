"""A scope is made when a context first asks for it: by whom, for how long, under which name."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context

import pytest
from flask import Flask, Response, g, request, stream_with_context

from redis_pool_ext import PoolExhaustedError, get_redis, lease_scope
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.flask import FlaskRedisPool, current_redis
from redis_pool_ext.scope import current_scope, entered_scope

from ..support.forks import FORK_WARNS, in_child
from .support import TIMEOUT, all_held, in_thread, make_app, pool_of


def refuse(times: int) -> None:
    """Ask in vain for a connection, and go on."""
    for _ in range(times):
        with suppress(PoolExhaustedError):
            current_redis.ping()


def dirty() -> str:
    """Leave a state behind on the connection, which is logged with the holder's name."""
    return str(current_redis.execute_command("SELECT", 5))


def test_request_without_redis_makes_no_scope(app, client):
    """Neither at its start nor at its end."""
    seen = []

    @app.get("/look")
    def look() -> str:
        seen.append(entered_scope())
        return "plain"

    app.teardown_appcontext(lambda _error: seen.append(entered_scope()))
    client.get("/look")
    assert seen == [None, None]


@pytest.mark.parametrize("ask", [lambda: g.redis, lambda: str(current_redis), get_redis])
def test_whatever_asks_first_makes_the_one_lease(app, pool, ask):
    """The attribute, the proxy and the function for libraries lead to the same client."""
    with app.app_context():
        ask()
        with lease_scope():
            first = get_redis()
        assert first is get_redis() is g.redis
        first.ping()
        assert pool.stats().in_use == 1
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)


def test_inner_context_that_asks_first_gives_its_connection_back_first(url):
    """Two contexts never hold a connection each, whichever of them was first to ask."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": 20}}
    FlaskRedisPool(app)
    pool = pool_of(app)
    with app.app_context():
        with app.app_context():
            assert g.redis.ping()
        assert pool.stats().in_use == 0
        assert g.redis.ping()
        with app.app_context():
            assert g.redis.ping()
    assert (pool.stats().in_use, pool.stats().created) == (0, 1)


def test_client_that_the_project_puts_on_g_is_its_own(app, client):
    """Who has a `g.redis` already keeps it, to the end."""

    @app.before_request
    def connect() -> None:
        g.redis = "the project's"

    app.add_url_rule("/mine", view_func=lambda: g.redis, endpoint="mine")
    with client:
        assert client.get("/mine").text == "the project's"
        assert g.redis == "the project's"


def test_class_of_g_that_the_project_chose_is_kept(url):
    """`app_ctx_globals_class` is Flask's way to give `g` methods."""

    class Globals(Flask.app_ctx_globals_class):
        def shout(self) -> str:
            return "hey"

    class Shop(Flask):
        app_ctx_globals_class = Globals

    app = Shop("shop")
    app.config["REDIS_POOLS"] = {"default": url}
    FlaskRedisPool(app)
    with app.app_context():
        assert g.shout() == "hey"
        assert g.redis.ping()


def test_scope_ended_by_hand_is_followed_by_a_new_one(app, pool):
    """Whoever ends it early may go on with another lease, which ends with the context."""
    with app.app_context():
        current_redis.ping()
        current_scope().end()
        assert pool.stats().in_use == 0
        assert current_redis.ping()
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0
    assert entered_scope() is None


def test_scope_ended_by_hand_keeps_no_request_alive(app, client):
    """Nothing of it stays behind in the thread."""
    requests = []

    @app.get("/end")
    def end() -> str:
        requests.append(weakref.ref(request._get_current_object()))
        current_scope().end()
        return str(current_redis.ping())

    assert client.get("/end").text == "True"
    gc.collect()
    assert requests[0]() is None


def test_client_on_g_is_a_new_one_in_a_context_pushed_again(app, pool):
    """The test client's `with` goes on with the `g` of a request whose lease has ended."""
    app.add_url_rule("/g", view_func=lambda: str(g.redis.ping()), endpoint="g")
    with app.test_client() as client:
        assert client.get("/g").text == "True"
        assert g.redis.ping()
        assert pool.stats().in_use == 1
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 2)


def test_response_closed_in_an_outer_context_leaves_the_lease_to_it(app, client, pool):
    """The scope is the context's, and ends with the later of the two."""
    with app.app_context():
        mine = g.redis

        @app.get("/stream")
        def stream() -> Response:
            return Response(str(mine.ping()) for _ in range(2))

        client.get("/stream").close()
        assert mine.ping()
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)


class TestTaskThatOutlivesItsRequest:
    """A thread that was given a copy of the context variables, the current app among them."""

    def test_it_borrows_per_command(self, app, client, pool):
        """Nobody would end a lease there; whether its request had one or not."""
        copies = []

        @app.get("/unused")
        def unused() -> str:
            copies.append(copy_context())
            return "plain"

        @app.get("/used")
        def used() -> str:
            current_redis.ping()
            return unused()

        def work() -> None:
            assert current_redis.ping()
            assert g.redis.ping()
            assert pool.stats().in_use == 0

        for path in ("/unused", "/used"):
            client.get(path)
        for copy in copies:
            in_thread(lambda copy=copy: copy.run(work))
        assert len(copies) == 2

    def test_it_does_not_prolong_the_lease_of_a_stream(self, app, client, pool):
        """While the response is open it shares the lease, which ends with the response."""
        copies = []

        @app.get("/stream")
        def stream() -> Response:
            copies.append(copy_context())
            client = g.redis
            return Response(str(client.ping()) for _ in range(2))

        response = client.get("/stream")
        assert in_thread(lambda: copies[0].run(lambda: type(get_redis()))) is LeasedRedis
        response.close()
        assert pool.stats().in_use == 0

    def test_lease_that_it_began_meanwhile_ends_with_the_request(self, app, client, pool):
        """The request and the thread share it, whichever asked first."""

        def ask() -> str:
            return str(current_redis.client_id())

        @app.get("/share")
        def share() -> str:
            copy = copy_context()
            theirs = in_thread(lambda: copy.run(ask))
            return str(theirs == ask())

        assert client.get("/share").text == "True"
        assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)


def test_stream_that_uses_redis_only_while_it_is_sent_gives_back(app, client, pool):
    """Its context is pushed again for that, and the lease ends with the response."""

    @app.get("/late")
    def late() -> Response:
        def body() -> Iterator[str]:
            for each in (current_redis, g.redis, get_redis()):
                yield f"{each.client_id()}\n"

        return Response(stream_with_context(body()))

    response = client.get("/late")
    assert len(set(response.text.split())) == 1
    response.close()
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)
    assert entered_scope() is None


@FORK_WARNS
def test_child_of_a_fork_in_a_request_has_its_own_connections(app, client, pool):
    """The client of the parent is refused there; who asks anew borrows from the child's pool."""

    def child() -> None:
        assert not isinstance(get_redis(), LeasedRedis)
        assert current_redis.ping()

    @app.get("/fork")
    def fork() -> str:
        mine = current_redis.client_id()
        in_child(child)
        return str(mine == current_redis.client_id())

    assert client.get("/fork").text == "True"
    assert pool.stats().in_use == 0


def test_task_in_an_app_context_waits_each_time(app):
    """A task may come back later and wait anew, unlike a request."""
    with all_held(app), app.app_context():
        refuse(2)
        assert pool_of(app).stats().wait_seconds >= 2 * TIMEOUT


def test_request_in_an_outer_context_waits_once(app, client):
    """Though the scope is older than the request: it was made in a fixture, or a command."""
    app.add_url_rule("/refused", view_func=lambda: str(refuse(3)))
    with app.app_context():
        current_redis.ping()
        g.redis.release()
        with all_held(app):
            client.get("/refused")
            assert pool_of(app).stats().wait_seconds < 2 * TIMEOUT


def test_requests_in_one_outer_context_are_named_each_for_itself(app, client, caplog):
    """The one that left the state behind is named, not the one that made the scope."""
    app.add_url_rule("/dirty", view_func=dirty)
    with caplog.at_level(logging.WARNING, "redis_pool_ext"), app.app_context():
        client.get("/hit")
        client.get("/dirty")
    assert caplog.messages[0].endswith("by GET /dirty (dirty)")


def test_context_of_an_app_without_the_extension_has_no_scope(app):
    """Nobody would end it there."""
    with Flask("other").app_context():
        assert current_scope() is None


def test_two_apps_keep_to_their_own_g(url):
    """Each app's `g.redis` is on its own pool, also one that has a client no more."""
    shop, blog = make_app(url), make_app(url.removesuffix("0") + "1", "blog")
    for app in (shop, blog, shop):
        with app.app_context():
            assert g.redis.connection_pool.pool is pool_of(app)
