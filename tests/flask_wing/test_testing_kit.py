"""The testing kit with Flask apps, which have settings of their own."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from redis_pool_ext.flask import current_redis
from redis_pool_ext.testing import (
    assert_max_redis_commands,
    assert_no_leaked_leases,
    exhausted_pool,
    fake_pools,
    redis_down,
    slow_redis,
)

from .support import make_app, pool_of


def status(client: FlaskClient) -> int:
    return client.get("/hit").status_code


def test_visitor_of_an_exhausted_pool_gets_503(client):
    """Also of one that the first request makes; afterwards 200."""
    with exhausted_pool():
        assert status(client) == 503
    assert status(client) == 200


def test_visitor_gets_503_while_redis_is_down(client):
    """Also the one who comes when the circuit is open."""
    assert status(client) == 200
    with redis_down():
        assert [status(client) for _ in range(4)] == [503] * 4
    assert status(client) == 200


def test_app_may_be_made_inside(url):
    """Its pool is known by the end of the block."""
    with redis_down():
        assert status(make_app(url).test_client()) == 503


def test_visitor_waits_for_a_slow_server(client):
    """And is served."""
    with slow_redis(0.01):
        assert status(client) == 200


def test_commands_of_a_request_are_counted(client):
    """The request runs in this process."""
    with assert_max_redis_commands(1) as sent:
        client.get("/hit")

    assert sent.commands == ["INCRBY hits"]


def test_request_leaks_nothing(client):
    """Its lease has ended with the response."""
    with assert_no_leaked_leases(within=0):
        client.get("/hit")


def test_app_is_on_a_fake(client, app, admin):
    """With its own settings; and on its server again afterwards."""
    pytest.importorskip("fakeredis")
    real = pool_of(app)
    with fake_pools():
        assert client.get("/hit").text == "1"
        assert pool_of(app).max_connections == 2
    assert admin.get("hits") is None

    assert client.get("/hit").text == "1"
    assert pool_of(app) is real


def test_apps_on_one_server_share_its_fake(app, url):
    """And one on another server does not."""
    pytest.importorskip("fakeredis")
    elsewhere = make_app("redis://elsewhere.invalid/0")
    with fake_pools():
        for expected, each in [("1", app), ("2", make_app(url)), ("1", elsewhere)]:
            assert each.test_client().get("/hit").text == expected


def test_app_that_is_made_inside_is_on_a_fake():
    """In an app context, too."""
    pytest.importorskip("fakeredis")
    with fake_pools(), make_app("redis://elsewhere.invalid/0").app_context():
        assert current_redis.incr("n") == 1


def test_pool_that_holds_a_lease_across_the_block_keeps_it(app, client):
    """What began on the real server ends there."""
    pytest.importorskip("fakeredis")
    with app.app_context():
        current_redis.set("k", "real")
        lease = current_redis
        with fake_pools():
            pass
        assert lease.get("k") == b"real"
