"""REDIS_POOL_EAGER and REDIS_POOL_BUDGET in Flask."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import View

from redis_pool_ext import ConfigError
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

from ..kinds import (
    EACH_KIND,
    KINDS,
    ByClass,
    ask,
    idles,
    make,
    of_method,
    reports,
    runs,
    visit,
)
from ..support import all_held, pool_of


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


def test_head_is_what_get_says(eager):
    """Flask answers it by `get` where a class has no `head`."""
    eager.add_url_rule("/", view_func=of_method(redis_optional))
    assert eager.test_client().head("/").status_code == 200


def test_what_dispatch_request_says_is_heard(eager):
    """The method of a class that has no others."""
    view = type("Plain", (View,), {"dispatch_request": redis_optional(ByClass.dispatch_request)})
    assert ask(eager, view.as_view("view")).status_code == 200
