"""503 when there is no connection to be had: from everywhere, in time, in the project's way."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis
from flask import (
    Blueprint,
    Flask,
    Response,
    got_request_exception,
    render_template_string,
    session,
)
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from redis_pool_ext import (
    BudgetExceededError,
    ConnectionPoolTimeoutError,
    LeaseError,
    PoolClosedError,
    PoolExhaustedError,
    PoolUnavailableError,
    RedisPoolError,
    get_redis,
)
from redis_pool_ext.flask import FlaskRedisPool, current_redis

from ..support.records import but_waits
from .support import TIMEOUT, RedisSessions, all_held, make_app, pool_of


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Fail when the block takes longer than one wait for a connection and a bit."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began <= TIMEOUT + 0.3


def assert_503(response: Response) -> None:
    """Check what every 503 must have."""
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Cache-Control"] == "no-store"


@pytest.fixture(params=[False, True], ids=["production", "TESTING"])
def app(request: pytest.FixtureRequest, url: str) -> Flask:
    """The app, as it is served and as it is tested: errors must not propagate from either."""
    app = make_app(url)
    app.testing = request.param
    return app


# -- where ---------------------------------------------------------------------------------


def test_exhausted_pool_in_a_view_is_answered_with_503(app, client, pool):
    """A view that finds no connection in time is a 503; afterwards all is as before."""
    with all_held(app), answered_in_time():
        assert_503(client.get("/hit"))
    assert client.get("/hit").text == "1"
    assert (pool.stats().in_use, pool.stats().timed_out) == (0, 1)


def test_view_without_redis_is_served_while_the_pool_is_exhausted(app, client, pool):
    """Who needs no connection does not notice."""
    with all_held(app):
        assert client.get("/plain").status_code == 200
        assert pool.stats().acquired == 0


def test_exhausted_pool_in_a_template_is_answered_with_503(app, client):
    """A template that asks Redis while it is rendered is part of the view."""
    app.jinja_env.globals["current_redis"] = current_redis
    app.add_url_rule(
        "/page", view_func=lambda: render_template_string("{{ current_redis.ping() }}")
    )
    with all_held(app), answered_in_time():
        assert_503(client.get("/page"))
    assert client.get("/page").text == "True"


def test_exhausted_pool_in_before_request_is_answered_with_503(app, client):
    """A hook before the view is covered like the view."""
    app.before_request(lambda: current_redis.ping() and None)
    with all_held(app), answered_in_time():
        assert_503(client.get("/plain"))
    assert client.get("/plain").text == "plain"


def test_exhausted_pool_while_the_session_opens_is_answered_with_503(app, client, pool):
    """Flask opens the session outside of its error handling; it is a 503 all the same."""
    app.session_interface = sessions = RedisSessions()
    client.set_cookie("sid", "1")
    with all_held(app), answered_in_time():
        assert_503(client.get("/plain"))
    assert sessions.saves == 0
    assert client.get("/plain").text == "plain"
    assert pool.stats().in_use == 0


def test_exhausted_pool_while_the_session_is_saved_is_answered_with_503(app, client, pool):
    """Saving is not tried a second time for the 503, which would wait again."""
    app.session_interface = sessions = RedisSessions()

    @app.get("/login")
    def login():
        session["user"] = "ann"
        return "ok"

    with all_held(app), answered_in_time():
        assert_503(client.get("/login"))
    assert sessions.saves == 1
    assert client.get("/login").status_code == 200
    assert pool.stats().in_use == 0


def test_exhausted_pool_in_after_request_is_answered_with_503(app, client):
    """An after_request function may fail, too; Flask logs that it did so again for the 503."""
    app.after_request(lambda response: get_redis().ping() and response)
    with all_held(app):
        assert_503(client.get("/plain"))
    assert client.get("/plain").status_code == 200


def test_after_request_functions_see_the_503_of_a_session(app, client):
    """The headers that a project adds to each response (CORS, say) are on this one, too."""
    app.session_interface = RedisSessions()
    client.set_cookie("sid", "1")

    @app.after_request
    def mark(response):
        response.headers["X-Seen"] = "yes"
        return response

    with all_held(app):
        assert client.get("/plain").headers["X-Seen"] == "yes"


def test_exhausted_pool_in_a_blueprint_is_answered_with_503(app, client):
    """A blueprint without handlers of its own answers as the app does."""
    blueprint = Blueprint("api", __name__)
    blueprint.add_url_rule("/api", view_func=lambda: str(current_redis.ping()))
    app.register_blueprint(blueprint)
    with all_held(app):
        assert_503(client.get("/api"))


def test_waiting_request_is_served_when_a_connection_comes_back(app, pool):
    """Within the timeout a request waits instead of failing."""
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(app.test_client().get("/hit").text))
    with pool.lease() as one, pool.lease() as two:
        one.ping(), two.ping()
        waiting.start()
        while not pool.stats().waiting:
            assert waiting.is_alive()
    waiting.join(20)
    assert answers == ["1"]


# -- which errors --------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


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


# -- what ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type", "begin"),
    [
        (None, "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("*/*", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("image/png", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("nonsense;;q=x", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8", "<!doctype"),
        ("application/json", "application/problem+json", "{"),
        ("application/problem+json, text/html;q=0.5", "application/problem+json", "{"),
    ],
)
def test_accept_header_chooses_the_body(app, client, accept, content_type, begin):
    """Browsers get a page, programs JSON, everybody else a line of text."""
    headers = {} if accept is None else {"Accept": accept}
    with all_held(app):
        response = client.get("/hit", headers=headers)
    assert_503(response)
    assert response.headers["Content-Type"] == content_type
    assert response.text.startswith(begin)


def test_problem_json_says_when_to_come_back(app, client):
    """Header and body name the same seconds."""
    with all_held(app):
        response = client.get("/hit", headers={"Accept": "application/json"})
    assert response.get_json()["status"] == 503
    assert response.get_json()["retry_after"] == int(response.headers["Retry-After"])


def test_head_request_is_answered_without_a_body(app, client):
    """HEAD gets the same status and headers."""
    with all_held(app):
        response = client.head("/hit")
    assert_503(response)
    assert response.data == b""


def test_each_503_is_noted_with_alias_and_request(app, client, caplog):
    """The log says who has the connections, and which request was sent away, once each."""
    with caplog.at_level(logging.INFO, "redis_pool_ext"), all_held(app):
        client.get("/hit")
    report, answered = but_waits(caplog.records)
    assert report.levelno == logging.WARNING
    assert report.getMessage().startswith("default: exhausted (in_use=2")
    assert answered.levelno == logging.INFO
    assert answered.args
    assert answered.getMessage().startswith(
        "default: answered 503 to GET /hit (hit): no connection"
    )


def test_503_that_is_refused_again_in_its_session_is_noted_once(app, client, caplog):
    """A refused view whose session then cannot be saved is still one answer."""
    app.session_interface = RedisSessions()

    @app.get("/visit")
    def visit():
        session["visited"] = True
        return current_redis.get("page") or ""

    with caplog.at_level(logging.INFO, "redis_pool_ext"), all_held(app):
        assert_503(client.get("/visit"))
    assert [record.levelname for record in but_waits(caplog.records)] == ["WARNING", "INFO"]


def test_503_is_not_reported_as_an_unhandled_error(app, client):
    """Error trackers listen to got_request_exception; a 503 is no bug."""
    seen: list[object] = []

    def note(_app: Flask, exception: Exception) -> None:
        seen.append(exception)

    app.session_interface = RedisSessions()
    client.set_cookie("sid", "1")
    with got_request_exception.connected_to(note, app), all_held(app):
        client.get("/plain")
        client.delete_cookie("sid")
        client.get("/hit")
    assert seen == []


def test_no_credential_is_shown_anywhere(admin, redis_server, caplog):
    """Neither body nor headers nor log name the user or the password."""
    admin.acl_setuser("ann", enabled=True, passwords=["+hunter2"], commands=["+@all"], keys=["*"])
    app = make_app(f"redis://ann:hunter2@127.0.0.1:{redis_server.port}/0")
    with caplog.at_level(logging.DEBUG), all_held(app):
        response = app.test_client().get("/hit")
    admin.acl_deluser("ann")
    assert_503(response)
    for text in (response.text, str(response.headers), caplog.text, repr(app.extensions)):
        assert "hunter2" not in text
        assert "ann:" not in text


def test_no_credential_is_shown_when_the_server_is_down(closed_port, caplog):
    """The dial's error is logged without the URL's user part."""
    caplog.set_level(logging.DEBUG)
    app = make_app(f"redis://ann:hunter2@127.0.0.1:{closed_port}/0")
    response = app.test_client().get("/hit")
    assert "503" in caplog.text
    assert "hunter2" not in response.text + caplog.text


# -- whose ---------------------------------------------------------------------------------

HANDLED = [
    RedisPoolError,
    PoolExhaustedError,
    ConnectionPoolTimeoutError,
    503,
    ServiceUnavailable,
    HTTPException,
]


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("handled", HANDLED)
@pytest.mark.parametrize("where", ["view", "session"])
def test_handler_of_the_project_wins(url, handled, early, where):
    """A handler for our errors or for 503 answers, registered before or after init_app."""

    def mine(_error: Exception) -> tuple[str, int]:
        return "mine", 503

    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": f"{url}?max_connections=2"}
    if early:
        app.register_error_handler(handled, mine)
    FlaskRedisPool(app)
    if not early:
        app.register_error_handler(handled, mine)
    app.add_url_rule("/hit", view_func=lambda: str(current_redis.incr("hits")))
    if where == "session":
        app.session_interface = RedisSessions()
    client = app.test_client()
    client.set_cookie("sid", "1")
    with all_held(app):
        response = client.get("/hit")
    assert (response.status_code, response.text) == (503, "mine")


@pytest.mark.parametrize("handled", HANDLED)
def test_handler_of_a_blueprint_wins_in_its_views(app, client, handled):
    """A blueprint answers for its own views, the app for the rest."""
    blueprint = Blueprint("api", __name__)
    blueprint.add_url_rule("/api", view_func=lambda: str(current_redis.ping()))
    blueprint.register_error_handler(handled, lambda _error: ("blueprint", 503))
    app.register_blueprint(blueprint)
    with all_held(app):
        assert client.get("/api").text == "blueprint"
        assert client.get("/hit").text != "blueprint"


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_handler_for_any_exception_does_not_swallow_the_503(url, early):
    """A project's page for unexpected errors is not for this one."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": f"{url}?max_connections=1"}
    if early:
        app.register_error_handler(Exception, lambda _error: ("oops", 500))
    FlaskRedisPool(app)
    if not early:
        app.register_error_handler(Exception, lambda _error: ("oops", 500))
    app.add_url_rule("/hit", view_func=lambda: str(current_redis.incr("hits")))
    with all_held(app):
        assert_503(app.test_client().get("/hit"))


def test_page_of_the_project_gets_the_error_and_the_headers(app, client):
    """The handler for 503 finds the pool's error; what it does not set is added."""
    seen: list[ServiceUnavailable] = []

    @app.errorhandler(503)
    def page(error):
        seen.append(error)
        return "<h1>Busy</h1>", 503

    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert response.text == "<h1>Busy</h1>"
    assert isinstance(seen[0].original_exception, ConnectionPoolTimeoutError)
    assert seen[0].__cause__ is seen[0].original_exception
    assert seen[0].retry_after == int(response.headers["Retry-After"])


def test_headers_of_the_project_are_kept(app, client):
    """Retry-After and Cache-Control are added, not replaced."""

    @app.errorhandler(503)
    def page(_error):
        return "later", 503, {"Retry-After": "77", "Cache-Control": "no-cache"}

    with all_held(app):
        headers = client.get("/hit").headers
    assert (headers["Retry-After"], headers["Cache-Control"]) == ("77", "no-cache")


def test_page_that_returns_the_exception_is_a_503(app, client):
    """`return error` is Flask's way to say: the usual page of this status."""
    app.register_error_handler(503, lambda error: error)
    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert "<title>503 Service Unavailable</title>" in response.text


@pytest.mark.parametrize(("handled", "runs"), [(503, 1), (RedisPoolError, 2)])
def test_page_that_needs_redis_itself_falls_back_to_the_built_in_one(app, client, handled, runs):
    """A 503 page whose template asks the exhausted pool does not make it a 500."""
    seen: list[Exception] = []

    @app.errorhandler(handled)
    def page(error):
        seen.append(error)
        return str(current_redis.ping()), 503

    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert response.text.startswith("Service temporarily unavailable")
    assert len(seen) == runs


def test_async_handler_of_the_project_is_awaited(app, client):
    """Handlers may be async, as elsewhere in Flask."""
    pytest.importorskip("asgiref", reason="flask[async]")

    async def mine(_error: Exception) -> tuple[str, int]:
        return "mine", 503

    app.register_error_handler(RedisPoolError, mine)
    with all_held(app):
        assert client.get("/hit").text == "mine"


def test_set_up_registers_what_is_a_503_and_nothing_else():
    """The three outages and a spent budget, and only they."""
    app = make_app("redis://localhost")
    handlers = app.error_handler_spec[None][None]
    assert set(handlers) == {
        PoolExhaustedError,
        PoolUnavailableError,
        PoolClosedError,
        BudgetExceededError,
    }


def test_request_that_goes_on_after_a_refusal_waits_no_second_time(app: Flask) -> None:
    """Four commands on a full pool cost one TIMEOUT, not four."""

    @app.get("/stubborn")
    def stubborn() -> str:
        for _ in range(3):
            with suppress(PoolExhaustedError):
                current_redis.incr("hits")
        return str(current_redis.incr("hits"))

    with all_held(app):
        assert_503(app.test_client().get("/stubborn"))
        stats = pool_of(app).stats()
    assert stats.wait_seconds < 2 * TIMEOUT
    assert stats.timed_out == 4
