"""Which other errors are a 503, and which are not."""

from __future__ import annotations

import socket

import pytest
import redis

from redis_pool_ext import LeaseError, PoolUnavailableError, RedisPoolError
from redis_pool_ext.flask import current_redis

from ..support import TIMEOUT, make_app, pool_of
from .answers import answered_in_time, assert_503


def test_server_that_is_down_is_answered_with_503_in_time(closed_port):
    """Down is a 503 like exhausted; the circuit spares later requests the dial."""
    app = make_app(f"redis://127.0.0.1:{closed_port}/0", timeout=TIMEOUT)
    seen: list[RedisPoolError] = []
    app.register_error_handler(
        PoolUnavailableError, lambda error: (seen.append(error), ("x", 503))[1]
    )
    for _ in range(5):
        with answered_in_time():
            assert app.test_client().get("/hit").status_code == 503
    assert [type(error.__cause__) for error in seen] == [redis.ConnectionError] * 5
    assert pool_of(app).stats().circuit == "open"


def test_server_that_is_down_is_answered_with_the_built_in_page(closed_port):
    """Without a handler of the project's, too."""
    app = make_app(f"redis://127.0.0.1:{closed_port}/0")
    assert_503(app.test_client().get("/hit"))


def test_server_that_swallows_everything_is_answered_with_503_in_time():
    """A server that accepts and never answers costs `TIMEOUT`, not more."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        app = make_app(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", timeout=TIMEOUT)
        with answered_in_time():
            assert_503(app.test_client().get("/hit"))


def test_closed_pool_is_answered_with_503(app, client, pool):
    """A request whose pool is closed meanwhile (a shutdown) is told to come back."""

    @app.get("/close")
    def close():
        client = current_redis.client()
        pool.close()
        return str(client.ping())

    assert_503(client.get("/close"))


def test_error_of_a_redis_command_stays_a_500(app, client):
    """A mistake in a command is the program's, whatever the pool does."""
    app.testing = False
    app.add_url_rule("/wrong", view_func=lambda: current_redis.execute_command("NO SUCH"))
    assert client.get("/wrong").status_code == 500


def test_lease_error_is_not_answered_and_reaches_a_general_handler(app, client):
    """A lease used wrongly is a mistake: it goes wherever other mistakes go."""

    @app.get("/ended")
    def ended():
        with pool_of(app).lease() as kept:
            pass
        kept.ping()

    app.register_error_handler(Exception, lambda error: (type(error).__name__, 500))
    response = client.get("/ended")
    assert (response.status_code, response.text) == (500, LeaseError.__name__)


def test_other_errors_go_where_they_went(app, client):
    """The seam passes on what is not its own."""
    app.add_url_rule("/raise", view_func=lambda: 1 // 0)
    if app.testing:
        with pytest.raises(ZeroDivisionError):
            client.get("/raise")
    else:
        assert client.get("/raise").status_code == 500
