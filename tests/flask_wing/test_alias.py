"""`@redis_alias`, and bulkheads: views on another pool, where slow ones starve themselves only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import pytest
import redis
from flask import Blueprint, Flask, Response, g, stream_with_context
from flask.views import MethodView

import redis_pool_ext
from redis_pool_ext import ConfigError, RedisPool, get_pool, get_redis
from redis_pool_ext.flask import FlaskRedisPool, current_redis, redis_alias
from tests.support.threads import wait_until

from .support import TIMEOUT


def make(url: str, **aliases: int) -> Flask:
    """Return an app with pools of these sizes; the server knows each by its alias."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {
        alias: {
            "URL": url,
            "MAX_CONNECTIONS": size,
            "TIMEOUT": 20,  # a slow machine's dial
            "OPTIONS": {"client_name": alias},
        }
        for alias, size in aliases.items()
    }
    app.extensions["pool"] = FlaskRedisPool(app)
    return app


@pytest.fixture
def app(url: str) -> Flask:
    """An app with a pool of two connections, and one of one for reports."""
    return make(url, default=2, reports=1)


def pool_of(app: Flask, alias: str) -> RedisPool:
    with app.app_context():
        return get_pool(alias)


def name_of_current() -> str:
    return str(current_redis.client_getname())


def get(app: Flask) -> str:
    return app.test_client().get("/").text


def test_view_has_the_pool_that_it_names(app):
    """`current_redis` and `g.redis` are one lease on that pool; the other is not touched."""

    @app.get("/")
    @redis_alias("reports")
    def view():
        assert g.redis.client_id() == current_redis.client_id() == get_redis("reports").client_id()
        return name_of_current()

    assert get(app) == "reports"
    assert pool_of(app, "default").stats().acquired == 0
    stats = pool_of(app, "reports").stats()
    assert (stats.acquired, stats.in_use) == (1, 0)


def test_view_of_a_class_has_the_pool_that_it_names(app):
    """By Flask's own list of decorators, or on one of its methods."""

    class Report(MethodView):
        decorators = (redis_alias("reports"),)

        def get(self):
            return name_of_current()

    class Mixed(MethodView):
        @redis_alias("reports")
        def get(self):
            return name_of_current()

        def post(self):
            return name_of_current()

    app.add_url_rule("/", view_func=Report.as_view("report"))
    app.add_url_rule("/mixed", view_func=Mixed.as_view("mixed"))
    visitor = app.test_client()

    assert get(app) == visitor.get("/mixed").text == "reports"
    assert visitor.post("/mixed").text == "default"


def test_coroutine_view_has_the_pool_that_it_names(app):
    """Flask runs it in a thread, where the pools of threads are."""

    @app.get("/")
    @redis_alias("reports")
    async def view():
        return name_of_current()

    assert get(app) == "reports"


def test_what_asked_before_the_view_changes_with_it(app):
    """`g.redis` is not the client that a before_request function has used."""
    before = []
    app.before_request(lambda: before.append(str(g.redis.client_getname())))

    @app.get("/")
    @redis_alias("reports")
    def view():
        return f"{g.redis.client_getname()} {name_of_current()}"

    assert get(app) == "reports reports"
    assert before == ["default"]


def test_what_the_project_put_on_g_stays(app):
    """`g.redis` is theirs then."""
    app.before_request(lambda: setattr(g, "redis", "theirs"))

    @app.get("/")
    @redis_alias("reports")
    def view():
        return f"{g.redis} {name_of_current()}"

    assert get(app) == "theirs reports"


def test_extensions_keep_their_pool(app):
    """The session and the cache of such a view are where they always are."""
    kept = app.extensions["pool"].client

    @app.get("/")
    @redis_alias("reports")
    def view():
        return f"{name_of_current()} {kept.client_getname()} {get_redis().client_getname()}"

    assert get(app) == "reports default default"


def test_streamed_body_has_the_pool_of_its_view(app):
    """It is made when the view has returned, and holds the connection to its end."""

    @app.get("/")
    @redis_alias("reports")
    def view():
        return Response(stream_with_context(name_of_current() for _ in range(2)))

    response = app.test_client().get("/", buffered=False)
    chunks = response.iter_encoded()
    assert next(chunks) == b"reports"
    assert pool_of(app, "reports").stats().in_use == 1
    assert list(chunks) == [b"reports"]
    response.close()
    assert pool_of(app, "reports").stats().in_use == 0


def test_next_request_in_the_same_app_context_begins_anew(app):
    """They share `g` (a test's `with app.app_context()`), and not what one of them chose."""

    @app.get("/")
    @redis_alias("reports")
    def view():
        return f"{g.redis.client_getname()} {name_of_current()}"

    @app.get("/other")
    def other():
        return f"{g.redis.client_getname()} {name_of_current()}"

    with app.app_context():
        visitor = app.test_client()
        assert visitor.get("/").text == "reports reports"
        assert visitor.get("/other").text == "default default"
        assert visitor.get("/").text == "reports reports"
        assert name_of_current() == "default"


def test_report_names_the_view(app, caplog):
    """The request is called what it is called on any pool."""

    @app.get("/")
    @redis_alias("reports")
    def leaves_a_mess():
        current_redis.execute_command("SELECT", 1)
        return ""

    get(app)
    (message,) = caplog.messages
    assert message == (
        "reports: connection closed instead of reused: left in SELECT, by GET / (leaves_a_mess)"
    )


def handed_on(view: Any) -> Any:
    """Decorate a view as others do, login_required say."""

    @wraps(view)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return inner


def on_the_app(app: Flask, view: Any) -> None:
    app.add_url_rule("/wrong", "wrong", view)


def on_a_blueprint(app: Flask, view: Any) -> None:
    blueprint = Blueprint("area", __name__)
    blueprint.add_url_rule("/wrong", "wrong", view)
    app.register_blueprint(blueprint)


def by_a_decorator(app: Flask, view: Any) -> None:
    app.get("/wrong")(handed_on(view))


@pytest.mark.parametrize("add", [on_the_app, on_a_blueprint, by_a_decorator])
def test_unknown_alias_is_refused_as_the_app_gets_the_view(app, add):
    """With its name and those that there are, before anybody visits."""

    @redis_alias("reprots")
    def view():
        raise AssertionError

    with pytest.raises(ConfigError, match=r"'reprots'.*is not configured; known are default, rep"):
        add(app, view)


def test_unknown_alias_of_an_earlier_view_is_refused_by_init_app(url):
    """Views may be there before the extension is."""
    app = Flask("shop")
    app.get("/")(redis_alias("reprots")(lambda: ""))
    app.config["REDIS_POOLS"] = {"default": url}

    with pytest.raises(ConfigError, match="'reprots'"):
        FlaskRedisPool(app)


def test_alias_of_the_process_is_known(app, url):
    """Pools that a whole program has are those of its Flask apps as well."""
    redis_pool_ext.configure({"archive": {"URL": url, "OPTIONS": {"client_name": "archive"}}})

    app.get("/")(redis_alias("archive")(name_of_current))

    assert get(app) == "archive"


def test_slow_views_starve_themselves_only(url: str, admin: redis.Redis):
    """As many as their pool has connections wait; one more is 503, and the others are served."""
    app = make(url, default=1, reports=2)

    @app.get("/slow")
    @redis_alias("reports")
    def slow():
        return str(current_redis.blpop("go", timeout=20)[1])

    @app.get("/")
    def quick():
        return name_of_current()

    def visit() -> int:
        return app.test_client().get("/slow").status_code

    def blocked() -> int:
        return sum(one["cmd"] == "blpop" for one in admin.client_list())

    reports = pool_of(app, "reports")
    with ThreadPoolExecutor(2) as executor:
        waiting = [executor.submit(visit) for _ in range(2)]
        try:
            wait_until(lambda: blocked() == 2)
            reports.timeout = TIMEOUT
            refused = app.test_client().get("/slow")
            assert refused.status_code == 503
            assert [get(app) for _ in range(20)] == ["default"] * 20
            assert reports.stats().in_use == 2
        finally:
            admin.rpush("go", 1, 2)
        assert [one.result() for one in waiting] == [200, 200]
    assert pool_of(app, "default").stats().timed_out == 0
    assert reports.stats().timed_out == 1


def test_answer_of_an_exhausted_pool_says_which(app, caplog):
    """In the log, and to the project's own handler."""
    caplog.set_level("INFO", "redis_pool_ext")

    @app.errorhandler(503)
    def unavailable(error):
        return error.original_exception.alias, 503

    app.get("/")(redis_alias("reports")(name_of_current))
    with pool_of(app, "reports").lease() as other:
        other.ping()
        pool_of(app, "reports").timeout = TIMEOUT
        assert get(app) == "reports"
    assert any(text.startswith("reports: answered 503 to GET /") for text in caplog.messages)
