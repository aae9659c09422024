"""`@redis_required`, `@redis_optional`, REDIS_POOL_EAGER and REDIS_POOL_BUDGET in Flask."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, render_template_string, stream_with_context
from flask.views import MethodView, View

from redis_pool_ext import ConfigError, Priority, RedisPool, get_pool, get_redis
from redis_pool_ext.flask import (
    FlaskRedisPool,
    current_redis,
    redis_alias,
    redis_optional,
    redis_required,
)
from redis_pool_ext.flask import health as our_health
from redis_pool_ext.flask import status as our_status
from redis_pool_ext.scope import current_scope

from .support import all_held, pool_of

runs: list[str] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    runs.clear()


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """An address where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}/0"


def make(url: str, **config: Any) -> Flask:
    """Return an app with two pools of one connection each."""
    app = Flask("shop")
    entry = {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": 20, "OPTIONS": {"decode_responses": True}}
    app.config["REDIS_POOLS"] = {"default": entry, "reports": entry}
    app.config.update(config)
    app.extensions["pool"] = FlaskRedisPool(app)
    return app


@pytest.fixture
def app(url: str) -> Flask:
    return make(url)


@pytest.fixture
def down(nobody_there: str) -> Flask:
    """An app whose server is not there."""
    return make(nobody_there)


def reads() -> str:
    runs.append("view")
    assert g.redis.is_degraded == current_redis.is_degraded  # type: ignore[attr-defined]
    return f"{current_redis.get('k')} {g.redis.get('k')} {g.redis.is_degraded}"


async def areads() -> str:
    return reads()


def idles() -> str:
    """Run without a command."""
    runs.append("view")
    return ""


async def aidles() -> str:
    return idles()


class ByClass(View):
    def dispatch_request(self) -> str:
        return idles()


class ByMethod(MethodView):
    def get(self) -> str:
        return idles()


class ByAsyncMethod(MethodView):
    async def get(self) -> str:
        return idles()


def of_class(kind: type[View], decorator: Any) -> Any:
    """Return a view of a class that is decorated as Flask has it."""
    return type(kind.__name__, (kind,), {"decorators": (decorator,)}).as_view("view")  # type: ignore[attr-defined]


def of_method(decorator: Any) -> Any:
    return type("Mixed", (MethodView,), {"get": decorator(ByMethod.get)}).as_view("view")  # type: ignore[attr-defined]


KINDS = {
    "function": lambda decorator: decorator(idles),
    "coroutine": lambda decorator: decorator(aidles),
    "class": lambda decorator: of_class(ByClass, decorator),
    "class of methods": lambda decorator: of_class(ByMethod, decorator),
    "class of coroutines": lambda decorator: of_class(ByAsyncMethod, decorator),
    "method": of_method,
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def ask(app: Flask, view: Any, path: str = "/") -> Any:
    """Add a view, and visit it."""
    app.add_url_rule("/", "view", view)
    return visit(app, path)


def visit(app: Flask, path: str = "/") -> Any:
    return app.test_client().get(path)


def reports(app: Flask) -> RedisPool:
    with app.app_context():
        return get_pool("reports")


# -- required ------------------------------------------------------------------------------


@EACH_KIND
def test_required_view_without_a_server_does_not_begin(down, kind):
    """It is answered 503, and nothing of it has run."""
    assert ask(down, KINDS[kind](redis_required)).status_code == 503
    assert runs == []


@EACH_KIND
def test_required_view_of_a_full_pool_does_not_begin(app, kind):
    """Refused before the work, not amid it; and served when there is room again."""
    with all_held(app):
        assert ask(app, KINDS[kind](redis_required)).status_code == 503
        assert runs == []
    assert visit(app).status_code == 200
    assert runs == ["view"]
    assert pool_of(app).stats().in_use == 0


def test_required_view_keeps_the_connection_that_was_taken(app):
    """One lease, one connection, given back at the end."""

    @redis_required
    def view() -> str:
        assert get_pool().stats().in_use == 1
        return reads()

    assert ask(app, view).text == "None None False"
    assert (pool_of(app).stats().acquired, pool_of(app).stats().in_use) == (1, 0)


def test_required_view_that_is_not_eager_begins(down):
    """It is refused where it first asks for something."""
    assert ask(down, redis_required(eager=False)(reads)).status_code == 503
    assert runs == ["view"]


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_policy_reaches_the_lease(app, decorator):
    """Alias, budget and priority."""
    found: list[Any] = []

    @decorator(alias="reports", budget=1.5, priority="low")
    def view() -> str:
        current_redis.get("k")
        lease: Any = g.redis.connection_pool
        found.extend([lease.pool.alias, lease.priority, lease.budget, current_scope()])
        return ""

    assert ask(app, view).status_code == 200
    alias, priority, budget, scope = found
    assert (alias, priority, budget.seconds) == ("reports", Priority.LOW, 1.5)
    assert budget is scope.budget
    assert pool_of(app).stats().acquired == 0


def test_policy_holds_before_the_connection_is_taken(app, monkeypatch):
    """The queue knows whom it has there."""
    asked: list[Any] = []
    own = RedisPool.get_connection

    def get_connection(self: RedisPool, *args: Any, **options: Any) -> Any:
        asked.append(options["priority"])
        return own(self, *args, **options)

    monkeypatch.setattr(RedisPool, "get_connection", get_connection)
    ask(app, redis_required(priority="high")(idles))
    assert asked == [Priority.HIGH]


def test_alias_of_a_required_view_is_where_it_is_taken(app):
    """And nothing of the default one."""
    ask(app, redis_required(alias="reports")(reads))
    assert (pool_of(app).stats().acquired, reports(app).stats().acquired) == (0, 1)


# -- optional ------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [reads, areads])
def test_optional_view_without_a_server_reads_its_default(down, view):
    """By `current_redis` and by `g.redis`, sync and async."""
    assert ask(down, redis_optional(default="none")(view)).text == "none none True"


def test_optional_view_of_a_full_pool_reads_its_default(app):
    """And Redis' answer when there is room again."""
    with all_held(app):
        assert ask(app, redis_optional(default="none")(reads)).text == "none none True"
    assert visit(app).text == "None None False"


def test_optional_view_that_writes_is_answered_503(down):
    """Reads open, writes closed."""

    @redis_optional
    def view() -> str:
        runs.append(str(current_redis.get("hits")))
        return str(current_redis.incr("hits"))

    assert ask(down, view).status_code == 503
    assert runs == ["None"]


def test_what_has_the_plain_client_is_not_optional(down):
    """Extensions (sessions, caches) and `get_redis()` answer for themselves."""
    kept = down.extensions["pool"].client
    asks = iter([lambda: get_redis().get("k"), lambda: kept.get("k")])
    view = redis_optional(default="none")(lambda: str(next(asks)()))

    assert ask(down, view).status_code == 503
    assert visit(down).status_code == 503


def test_callback_that_is_set_holds_for_the_whole_view(app):
    """`current_redis` is one client while the view runs."""

    @redis_optional
    def view() -> str:
        current_redis.set_response_callback("PING", lambda *_args, **_options: "answered")
        return str(current_redis.ping())

    assert ask(app, view).text == "answered"


def test_template_and_body_after_an_optional_view_degrade_as_well(down):
    """They are made within its request."""

    @redis_optional(default="none")
    def rendered() -> str:
        return render_template_string("{{ g.redis.dbsize() }}")

    @redis_optional(default="none")
    def streamed() -> Response:
        return Response(stream_with_context(str(current_redis.get("k")) for _ in range(2)))

    down.add_url_rule("/streamed", "streamed", streamed)
    assert ask(down, rendered).text == "none"
    assert visit(down, "/streamed").text == "nonenone"


def test_next_request_in_the_same_app_context_begins_anew(down):
    """They share `g` (a test's `with app.app_context()`), and no policy."""
    down.add_url_rule("/plain", "plain", reads)
    view = redis_optional(default="none", budget=3, priority="low")(reads)
    terms: list[Any] = []

    @down.get("/terms")
    def look() -> str:
        scope: Any = current_scope()
        terms.append((scope.budget, scope.priority))
        return ""

    with down.app_context():
        assert ask(down, view).text == "none none True"
        assert visit(down, "/plain").status_code == 503
        visit(down, "/terms")
        assert visit(down).text == "none none True"
    assert terms == [(None, Priority.NORMAL)]


def test_log_names_the_view_that_goes_on_without(down, caplog):
    """So that nobody does so for days, unseen."""
    ask(down, redis_optional(reads))
    said = [text for text in caplog.messages if "goes on without Redis" in text]
    assert [text.partition(",")[0] for text in said] == [
        "default: GET / (view) goes on without Redis"
    ]


# -- several -------------------------------------------------------------------------------


def test_nested_policies_the_inner_wins_and_the_outer_fills_in(down):
    """A required view in an optional one; an alias around it."""
    required = redis_required(eager=False)(reads)

    @down.get("/alias")
    @redis_alias("reports")
    @redis_optional(default="none")
    def aliased() -> str:
        runs.append(g.redis.connection_pool.pool.alias)
        return reads()

    assert ask(down, redis_optional(default="none")(required)).status_code == 503
    assert visit(down, "/alias").text == "none none True"
    assert "reports" in runs


@pytest.mark.parametrize("decorator", [redis_required, redis_optional])
def test_unknown_alias_is_refused_as_the_app_gets_the_view(app, decorator):
    """Whatever is around it."""
    view = redis_alias("reports")(decorator(alias="reprots")(idles))
    with pytest.raises(ConfigError, match=r"'reprots'.*is not configured; known are default, rep"):
        app.add_url_rule("/", "view", view)


def test_wrong_arguments_are_refused_as_the_view_is_decorated():
    """With the name of the decorator and of the argument."""
    with pytest.raises(ConfigError, match=r"@redis_optional\(budget=...\): -1"):
        redis_optional(budget=-1)
    with pytest.raises(ConfigError, match=r"@redis_required: 'reports' is no view"):
        redis_required("reports")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"the class ByClass is no view.*decorators in Flask"):
        redis_optional(ByClass)


def test_app_without_the_extension_says_what_is_missing():
    """Nobody would end the lease."""
    app = Flask("bare")
    app.testing = True
    app.add_url_rule("/", "view", redis_required(idles))
    with pytest.raises(RuntimeError, match="Did you forget init_app"):
        visit(app)


# -- for all views -------------------------------------------------------------------------


@pytest.fixture
def eager(nobody_there: str) -> Flask:
    """An app that wants to refuse before views run, and whose server is not there."""
    return make(nobody_there, REDIS_POOL_EAGER=True)


@EACH_KIND
def test_every_view_is_refused_before_it_begins(eager, kind):
    """As if it were decorated by `@redis_required`; functions before it have run."""
    eager.before_request(lambda: runs.append("before"))
    assert ask(eager, KINDS[kind](lambda view: view)).status_code == 503
    assert runs == ["before"]


@EACH_KIND
def test_every_view_is_served_with_the_connection_of_its_request(url, kind):
    """One, which comes back."""
    app = make(url, REDIS_POOL_EAGER=True)
    assert ask(app, KINDS[kind](lambda view: view)).status_code == 200
    assert (pool_of(app).stats().acquired, pool_of(app).stats().in_use) == (1, 0)


@pytest.mark.parametrize(
    "decorator", [redis_required(eager=False), redis_optional], ids=["not eager", "optional"]
)
@EACH_KIND
def test_view_that_says_otherwise_begins(eager, kind, decorator):
    """A policy of its own is its own."""
    assert ask(eager, KINDS[kind](decorator)).status_code == 200
    assert runs == ["view"]


def test_view_with_an_alias_takes_its_connection_there(url):
    """`@redis_alias` says where, and the app says when."""
    app = make(url, REDIS_POOL_EAGER=True)
    ask(app, redis_alias("reports")(idles))
    assert (pool_of(app).stats().acquired, reports(app).stats().acquired) == (0, 1)


def test_what_is_no_view_of_the_project_is_not_refused(eager):
    """A 404, a 405, Flask's own answer to OPTIONS, and static files."""
    eager.add_url_rule("/", "view", idles)
    blueprint = Blueprint("area", __name__, static_folder="there-is-none", url_prefix="/area")
    eager.register_blueprint(blueprint)
    visitor = eager.test_client()
    assert visitor.get("/no-such-page").status_code == 404
    assert visitor.post("/").status_code == 405
    assert visitor.options("/").status_code == 200
    assert visitor.get("/static/no-such-file").status_code == 404
    assert visitor.get("/area/there-is-none/file").status_code == 404


def test_our_own_views_answer_while_redis_is_down(eager):
    """Liveness, readiness and the status page."""
    eager.register_blueprint(our_health.blueprint())
    eager.register_blueprint(our_status.blueprint(guard=lambda: True))
    assert visit(eager, "/health/live").status_code == 200
    assert visit(eager, "/health/ready").json["pools"]["default"] == "unreachable"
    assert visit(eager, "/redis-pool/").status_code == 200


def test_health_of_a_full_pool_waits_for_nobody(url):
    """It asks on no connection that somebody is queued for, so it needs no place before them."""
    app = make(url, REDIS_POOL_EAGER=True)
    app.register_blueprint(our_health.blueprint())
    with all_held(app):
        assert visit(app, "/health/ready?pools=default").status_code == 200
    assert pool_of(app).stats().timed_out == 0


def test_nothing_is_wrapped_where_it_is_off(app):
    """The call of a view is Flask's own."""
    assert "dispatch_request" not in vars(app)


def test_budget_is_each_requests_own(url):
    """So many seconds from its begin on; a view may have more. Also in one app context."""
    app = make(url, REDIS_POOL_BUDGET=2)
    budgets: list[Any] = []

    def view() -> str:
        current_redis.get("k")
        lease: Any = current_redis.connection_pool
        budgets.append(lease.budget)
        return ""

    app.add_url_rule("/more", "more", redis_required(budget=5)(view))
    ask(app, view)
    visit(app, "/more")
    with app.app_context():
        assert current_redis.get("k") is None
        visit(app)
        visit(app)
    assert [budget.seconds for budget in budgets] == [2, 5, 2, 2]
    assert len(set(map(id, budgets))) == 4


def test_app_context_without_a_request_has_no_budget(url):
    """A command of the app may take its time."""
    app = make(url, REDIS_POOL_BUDGET=2)
    with app.app_context():
        current_redis.get("k")
        scope = current_scope()
        assert scope is not None
        assert scope.budget is None


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [("REDIS_POOL_BUDGET", 0, "E015"), ("REDIS_POOL_EAGER", "yes", "E016")],
)
def test_wrong_setting_is_an_error_at_start(url, setting, value, code):
    """It is called what it is called in Flask, and the app is not set up by half."""
    app = Flask("shop")
    app.config.update({"REDIS_POOLS": {"default": url}, setting: value})
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(app)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == (code, f"app.config['{setting}']")
    assert "redis_pool_ext" not in app.extensions
