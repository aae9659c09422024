"""`@redis_required` and `@redis_optional` in Flask."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, g, render_template_string, stream_with_context

from redis_pool_ext import Priority, get_pool, get_redis, shared_redis
from redis_pool_ext.flask import FlaskRedisPool, current_redis, redis_optional, redis_required
from redis_pool_ext.scope import current_scope

from ..kinds import (
    EACH_KIND,
    KINDS,
    areads,
    ask,
    idles,
    reads,
    reports,
    runs,
    visit,
)
from ..support import all_held, pool_of

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


def test_policy_holds_before_the_connection_is_taken(app, asked):
    """The queue knows whom it has there."""
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


def test_app_without_a_default_pool_has_the_client_of_its_view_on_g(url):
    """Where no view has chosen one, there is none."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"reports": {"URL": url, "OPTIONS": {"decode_responses": True}}}
    FlaskRedisPool(app)
    assert ask(app, redis_optional(alias="reports")(reads)).text == "None None False"
    with app.app_context():
        assert not hasattr(g, "redis")


def test_client_that_others_keep_says_that_nothing_is_degraded(down):
    """Whatever client a view is given can be asked."""

    @redis_optional
    def view() -> str:
        shared: Any = shared_redis()
        return f"{shared.is_degraded} {down.extensions['pool'].client.is_degraded}"

    assert ask(down, view).text == "False False"
