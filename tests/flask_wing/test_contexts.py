"""One request, one alias, one connection: where scopes begin, join and end."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest
import redis
from flask import Flask, copy_current_request_context, g, session

from redis_pool_ext import LeaseError, get_redis, lease_scope
from redis_pool_ext.flask import current_redis
from redis_pool_ext.process import pools
from redis_pool_ext.scope import current_scope

from .support import RedisSessions, all_held, in_thread, make_app, named, pool_of, redis_pool


def test_view_without_redis_takes_no_connection(client, pool):
    """A request that never talks to Redis costs no slot."""
    assert client.get("/plain").text == "plain"
    assert pool.stats().acquired == 0


def test_request_without_redis_makes_no_pool(client):
    """What a request does not use it does not pay for."""
    client.get("/plain")
    assert pools() == []


def test_client_on_g_is_a_redis_client(app):
    """`g.redis` is what type checkers and libraries take it for, used or not."""
    with app.app_context():
        assert isinstance(g.redis, redis.Redis)


def test_request_gives_its_connection_back(client, pool):
    """After the response nothing is in use, and the connection waits for the next request."""
    assert [client.get("/hit").text, client.get("/hit").text] == ["1", "2"]
    stats = pool.stats()
    assert (stats.in_use, stats.idle, stats.created, stats.acquired) == (0, 1, 1, 2)


def test_requests_of_twenty_threads_in_turn_share_one_connection(url, admin):
    """A thread per request does not mean a connection per request."""
    app = make_app(url, options={"client_name": "twenty-threads"})
    seen: set[str] = set()
    for _ in range(20):
        assert in_thread(lambda: app.test_client().get("/hit").status_code) == 200
        seen |= named(admin, "twenty-threads")
    assert len(seen) == 1
    assert pool_of(app).stats().created == 1


def test_everything_in_one_request_runs_on_one_connection(app, client, pool):
    """Proxy, `g`, get_redis, pipeline, nested scope and nested context share the lease."""

    @app.get("/all")
    def everything():
        ids = [current_redis.client_id(), g.redis.client_id(), get_redis().client_id()]
        ids += current_redis.pipeline().client_id().execute()
        with lease_scope():
            ids.append(get_redis().client_id())
        with app.app_context():
            ids += [current_redis.client_id(), g.redis.client_id()]
        with app.test_request_context("/inner"):
            ids.append(current_redis.client_id())
        ids.append(current_redis.client_id())
        return [str(i) for i in ids]

    assert len(set(client.get("/all").json)) == 1
    assert (pool.stats().created, pool.stats().acquired, pool.stats().in_use) == (1, 1, 0)


def test_nested_context_ends_nothing(app, pool):
    """The lease of the outer context goes on after an inner one has gone."""
    with app.app_context():
        outer = g.redis
        with app.app_context():
            g.redis.ping()
        assert outer.ping()
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0


def test_context_in_a_lease_scope_joins_it(app, pool):
    """A task that holds a lease and pushes an app context needs one connection."""
    with app.app_context():
        config_pool = redis_pool.pool
    with lease_scope() as scope:
        first = scope.client(config_pool).client_id()
        with app.app_context():
            assert current_redis.client_id() == first
        assert pool.stats().in_use == 1
        assert scope.client(config_pool).client_id() == first
    assert pool.stats().in_use == 0


def test_client_kept_beyond_its_context_raises(app):
    """The lease ends with the context; its client never reconnects behind one's back."""
    with app.app_context():
        kept = g.redis
        kept.ping()
    with pytest.raises(LeaseError, match="has ended"):
        kept.ping()


def test_context_leaves_the_thread_as_it_was(app, client):
    """After requests and contexts no scope stays current."""
    with app.app_context():
        assert current_scope() is not None
    client.get("/hit")
    assert current_scope() is None


def test_plain_app_context_holds_one_connection_and_gives_it_back(app, pool):
    """A script's `with app.app_context()` is a scope like a request's."""
    with app.app_context():
        current_redis.set("a", 1)
        assert current_redis.get("a") == b"1"
        assert pool.stats().in_use == 1
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 1)


def test_cli_command_has_a_lease(app, pool):
    """`flask <command>` runs in an app context, so `current_redis` works there."""

    @app.cli.command("visits")
    def visits():
        print(current_redis.incr("visits"))

    result = app.test_cli_runner().invoke(args=["visits"])
    assert result.output == "1\n"
    assert pool.stats().in_use == 0


def test_view_that_raises_gives_its_connection_back(app, client, pool):
    """An error in the view costs no connection."""

    @app.get("/raise")
    def fail():
        current_redis.ping()
        raise ZeroDivisionError

    assert client.get("/raise").status_code == 500
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


def test_teardown_function_that_raises_costs_no_connection(app, client, pool):
    """Flask stops at the first teardown function that raises; the lease ends all the same."""
    app.testing = True

    @app.teardown_appcontext
    def fail(_error):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.get("/hit")
    assert current_scope() is None
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


def test_teardown_function_may_still_use_redis(app, client, pool):
    """The lease ends after all teardown functions, those registered first included."""
    results = []
    app.teardown_appcontext(lambda _error: results.append(current_redis.get("hits")))
    client.get("/hit")
    assert results == [b"1"]
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


def test_async_view_runs_on_the_lease_of_its_request(app, client, pool):
    """An async view finds the (sync) client of its request."""
    pytest.importorskip("asgiref", reason="flask[async]")

    @app.get("/async")
    async def view():
        return str(current_redis.incr("hits"))

    app.before_request(lambda: current_redis.ping() and None)
    assert client.get("/async").text == "1"
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


def test_thread_with_a_copied_request_context_gets_its_own_lease(app, client, pool):
    """A copied context is a context of its own, and ends its own lease."""

    @app.get("/thread")
    def view():
        @copy_current_request_context
        def in_its_own_context():
            return current_redis.client_id()

        mine = current_redis.client_id()
        return "same" if mine == in_thread(in_its_own_context) else "own"

    assert client.get("/thread").text == "own"
    assert (pool.stats().acquired, pool.stats().in_use) == (2, 0)


def test_client_used_after_the_request_in_a_with_block_gets_a_new_lease(app, pool):
    """The test client's `with` keeps the context; Redis is at hand there, and comes back."""
    with app.test_client() as client:
        client.get("/hit")
        assert pool.stats().in_use == 0
        assert current_redis.get("hits") == g.redis.get("hits") == b"1"
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0


def test_requests_in_one_outer_context_share_its_lease(app, client, pool):
    """Flask gives them the outer context's `g`, so they have its client, too."""
    with app.app_context():
        client.get("/hit")
        client.get("/hit")
        assert current_redis.get("hits") == b"2"
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


def test_parallel_requests_have_a_lease_each(app, pool):
    """Two requests at the same time never share a connection."""
    both = threading.Barrier(2)

    @app.get("/id")
    def view():
        mine = current_redis.client_id()
        both.wait(10)
        return str(mine)

    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(app.test_client().get("/id").text))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(ids)) == 2
    assert pool.stats().in_use == 0


def test_early_release_lets_another_request_in(app, client, pool):
    """A long request may give its connection back before the end."""

    @app.get("/long")
    def view():
        current_redis.ping()
        g.redis.release()
        with all_held(app):
            return "both taken"

    assert client.get("/long").text == "both taken"


def test_session_and_view_share_the_lease(app, client, pool):
    """A server-side session costs no second connection."""
    app.session_interface = RedisSessions()

    @app.get("/login")
    def login():
        session["user"] = "ann"
        return str(current_redis.incr("logins"))

    @app.get("/who")
    def who():
        return f"{session['user']} {current_redis.get('logins')!r}"

    client.get("/login")
    assert client.get("/who").text == "ann b'1'"
    assert (pool.stats().created, pool.stats().acquired, pool.stats().in_use) == (1, 2, 0)


def test_dirty_return_names_the_endpoint_and_is_not_reused(app, client, pool, caplog):
    """A SELECT left behind is logged with the view's name, and meets nobody else."""

    @app.get("/dirty/<int:number>")
    def dirty(number):
        current_redis.execute_command("SELECT", number)
        return "ok"

    with caplog.at_level(logging.WARNING, "redis_pool_ext"):
        client.get("/dirty/5")
    (record,) = caplog.records
    assert record.getMessage().startswith("default: ")
    assert "SELECT" in record.getMessage()
    assert record.getMessage().endswith("by GET /dirty/<int:number> (dirty)")
    client.get("/hit")
    assert client.get("/hit").text == "2"
    assert pool.stats().discarded == {"dirty": 1}


def test_request_without_a_route_is_named_by_its_path(app, client, caplog):
    """Where no rule matched, the label has the path, with no line break in it."""

    @app.before_request
    def dirty():
        current_redis.execute_command("SELECT", 5)

    with caplog.at_level(logging.WARNING, "redis_pool_ext"):
        assert client.get("/no%0Awhere").status_code == 404
    assert caplog.records[0].getMessage().endswith("by GET /no%0Awhere")


def test_dirty_return_outside_of_a_request_names_the_app(app, caplog):
    """A script's app context is named by its app."""
    with caplog.at_level(logging.WARNING, "redis_pool_ext"), app.app_context():
        current_redis.execute_command("SELECT", 5)
    assert caplog.records[0].getMessage().endswith("by an app context of shop")


def test_request_in_a_lease_scope_keeps_the_name_of_the_scope(app, client, caplog):
    """A task that named its lease goes on under that name, whatever it requests."""
    app.add_url_rule("/dirty", view_func=lambda: str(current_redis.execute_command("SELECT", 5)))
    with caplog.at_level(logging.WARNING, "redis_pool_ext"), lease_scope("nightly job"):
        client.get("/dirty")
    assert caplog.records[0].getMessage().endswith("by nightly job")


def test_connection_taken_before_any_hook_is_named_all_the_same(app, client, caplog):
    """The label reaches a connection that opening the session has taken already."""
    app.session_interface = RedisSessions()
    client.set_cookie("sid", "1")

    @app.get("/dirty")
    def dirty():
        current_redis.execute_command("SELECT", 5)
        return "ok"

    with caplog.at_level(logging.WARNING, "redis_pool_ext"):
        client.get("/dirty")
    assert caplog.records[0].getMessage().endswith("by GET /dirty (dirty)")


def test_app_that_is_dropped_is_freed(url):
    """Signals and seams keep no app alive."""
    app = make_app(url)
    app.test_client().get("/hit")
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_pool_made_new_after_close_serves_the_next_request(app, client, pool):
    """A closed pool is replaced at the next request."""
    client.get("/hit")
    pool.close()
    assert client.get("/hit").text == "2"
    assert pool_of(app) is not pool


def test_hold_command_borrows_per_command(url):
    """With HOLD = "command" a request keeps its connection for no longer than a command."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": {"URL": url, "HOLD": "command"}}
    redis_pool.init_app(app)
    with app.app_context():
        current_redis.ping()
        assert redis_pool.pool.stats().in_use == 0
