"""Flask-Session, Flask-Caching and Flask-Limiter in one request: one connection."""

from __future__ import annotations

import pytest
import redis
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from redis_pool_ext import get_pool
from redis_pool_ext.flask import FlaskRedisPool

from .shop import (
    NAME,
    all_held,
    cache,
    make_shop,
    monitored,
    pool_of,
    price,
    redis_pool,
    visitor_of,
)


def test_request_with_all_of_them_holds_one_connection(app: Flask, admin: redis.Redis):
    """The server sees one, from inside the view, and so do the pool's books."""
    seen = []
    app.before_request(lambda: seen.append(None))

    @app.after_request
    def look(response):
        seen[-1] = [one["name"] for one in admin.client_list() if one["name"] == NAME]
        return response

    visitor = app.test_client()
    for turn in range(1, 4):
        answer = visitor.get("/").json
        assert answer == {"visits": turn, "hits": turn, "price": 42, "in_use": 1}
        assert seen == [[NAME]] * turn
    stats = pool_of(app).stats()
    assert (stats.acquired, stats.created, stats.in_use) == (3, 1, 0)


def test_one_connection_carries_the_request_from_its_session_to_its_session(
    app: Flask, admin: redis.Redis
):
    """The server hears all of it from one address, the session first and last."""
    visitor = visitor_of(app)
    with monitored(admin) as heard:
        visitor.get("/")
    addresses, commands = {who for who, _ in heard}, [what for _, what in heard]

    assert len(addresses) == 1
    assert commands[0] == "GET"  # the session is opened
    assert commands[-1] == "SET"  # and saved
    assert {"EVALSHA", "INCRBY"} <= set(commands)
    assert pool_of(app).stats().acquired == 2


def test_lease_begins_with_the_session_and_ends_after_it(app: Flask):
    """It is taken as the session is opened, and given back when that has been saved."""
    visitor, pool, sessions = visitor_of(app), pool_of(app), app.session_interface
    steps = []
    opens, saves = sessions.open_session, sessions.save_session

    def open_session(*args):
        before = pool.stats().in_use
        opened = opens(*args)
        steps.append(("opened", before, pool.stats().in_use))
        return opened

    def save_session(*args):
        before = pool.stats().in_use
        saves(*args)
        steps.append(("saved", before, pool.stats().in_use))

    sessions.open_session, sessions.save_session = open_session, save_session
    visitor.get("/")

    assert steps == [("opened", 0, 1), ("saved", 1, 1)]
    assert pool.stats().in_use == 0
    assert pool.stats().acquired == 2


def test_request_that_uses_none_of_them_takes_nothing(app: Flask):
    """An extension that has nothing to ask for costs no connection."""
    assert app.test_client().get("/quiet").text == "quiet"
    assert pool_of(app).stats().acquired == 0


def test_streamed_response_goes_on_with_the_connection(app: Flask, admin: redis.Redis):
    """Session, cache and limiter before it, the cache and the session in it: one connection."""
    visitor, pool = visitor_of(app), pool_of(app)
    with monitored(admin) as heard:
        response = visitor.get("/stream", buffered=False)
        chunks = response.iter_encoded()
        assert next(chunks) == b"2 "
        assert pool.stats().in_use == 1
        assert list(chunks)[0] == b"42 "  # noqa: RUF015
        response.close()
    assert len({who for who, _ in heard}) == 1
    assert (pool.stats().in_use, pool.stats().acquired) == (0, 2)


def test_stream_that_nobody_reads_gives_the_connection_back(app: Flask):
    """A client that goes away closes the response."""
    response = visitor_of(app).get("/stream", buffered=False)
    assert pool_of(app).stats().in_use == 1
    response.close()
    assert pool_of(app).stats().in_use == 0


def test_limit_is_kept_and_its_answer_holds_nothing(app: Flask):
    """429, counted in Redis; the request that is refused gives back what it took."""
    visitor = app.test_client()
    assert [visitor.get("/limited").status_code for _ in range(3)] == [200, 429, 429]
    assert pool_of(app).stats().in_use == 0


@pytest.mark.parametrize("testing", [False, True])
@pytest.mark.parametrize("has_session", [True, False], ids=["session first", "limiter first"])
def test_exhausted_pool_is_503_whoever_asks_first(app: Flask, has_session: bool, testing: bool):
    """Opening the session is outside of Flask's error handling; the limiter is before the view."""
    app.config["TESTING"] = testing
    visitor = visitor_of(app) if has_session else app.test_client()
    pool = pool_of(app)
    with all_held(app):
        before = pool.stats().wait_seconds
        answer = visitor.get("/")
        waited = pool.stats().wait_seconds - before
        assert visitor.get("/quiet").status_code == (503 if has_session else 200)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Cache-Control"] == "no-store"
    assert waited < 0.2  # one `patience`, though the limiter and the session ask again
    assert visitor.get("/").status_code == 200


def test_exhausted_pool_is_no_answer_of_a_memoized_function(app: Flask):
    """Flask-Caching logs what its store raises, and calls the function: no 503 from there."""
    with app.app_context(), all_held(app):
        assert price() == 42


def test_session_of_a_refused_request_is_kept(app: Flask):
    """The 503 neither saves nor deletes it."""
    visitor = visitor_of(app)
    with all_held(app):
        assert visitor.get("/").status_code == 503
    assert visitor.get("/").json["visits"] == 2


def test_outside_of_a_request_they_work_as_well(app: Flask):
    """In an app context there is a lease for it, and without one each use borrows."""
    with app.app_context():
        cache.set("key", "value")
        assert redis_pool.pool.stats().in_use == 1  # the context's lease
    client = app.config["SESSION_REDIS"]
    assert client.keys("session:*") == []
    assert pool_of(app).stats().in_use == 0


def test_factory_may_be_called_again(url: str):
    """One app for each test: they have the same pool, so nobody need say which is meant."""
    apps = [make_shop(url) for _ in range(3)]
    assert [app.test_client().get("/").json["hits"] for app in apps] == [1, 2, 3]
    assert pool_of(apps[0]).stats().created == 1


def test_apps_with_pools_of_their_own_are_made_in_their_context(url: str):
    """Flask-Limiter registers its scripts as it is set up, and must know whose encoding it is."""
    own, apps = FlaskRedisPool(), []
    for name in ("first", "second"):
        app = Flask(name)
        app.config["REDIS_POOLS"] = {"default": {"URL": url, "OPTIONS": {"client_name": name}}}
        own.init_app(app)
        with app.app_context():
            Limiter(
                get_remote_address,
                app=app,
                default_limits=["9 per hour"],
                storage_uri="redis://",
                storage_options={"connection_pool": own.client.connection_pool},
            )
        app.get("/")(lambda: str(own.client.client_getname()))
        apps.append(app)
    assert [app.test_client().get("/").text for app in apps] == ["first", "second"]
    for app in apps:
        with app.app_context():
            assert get_pool().stats().acquired == 1
