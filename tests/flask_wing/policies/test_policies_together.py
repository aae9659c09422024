"""Decorators around each other and on classes, in Flask."""

from __future__ import annotations

import pytest
from flask import Flask, g
from flask.views import MethodView

from redis_pool_ext import ConfigError
from redis_pool_ext.flask import redis_alias, redis_optional, redis_required

from ..kinds import (
    ByClass,
    ask,
    idles,
    reads,
    reports,
    runs,
    visit,
)
from ..support import pool_of


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


def test_optional_within_required_goes_on_without(down):
    """The outer one takes nothing that the inner one would do without, also of a class."""

    class OptionalMethod(MethodView):
        decorators = (redis_required, redis_alias("default"))

        @redis_optional(default="none")
        def get(self) -> str:
            return reads()

    down.add_url_rule("/class", view_func=OptionalMethod.as_view("class"))
    view = redis_required(redis_optional(default="none")(reads))
    assert ask(down, view).text == visit(down, "/class").text == "none none True"


def test_required_helper_of_an_optional_class_is_refused(down):
    """What a method calls is not around it."""

    class Helped(MethodView):
        @redis_optional(default="none")
        def get(self) -> str:
            return redis_required(idles)()

    assert ask(down, Helped.as_view("view")).status_code == 503
    assert runs == []


def test_alias_within_required_is_where_it_is_taken(app):
    """And nothing of the default pool, which the view does not use."""
    ask(app, redis_required(redis_alias("reports")(idles)))
    assert (pool_of(app).stats().acquired, reports(app).stats().acquired) == (0, 1)


def test_unknown_alias_of_a_method_is_refused_as_the_app_gets_its_class(app):
    """As that of a function; whatever is around the class."""

    class Misspelt(MethodView):
        decorators = (redis_required,)

        @redis_optional(alias="reprots")
        def post(self) -> str:
            return idles()

    with pytest.raises(ConfigError, match=r"'reprots'.*is not configured"):
        app.add_url_rule("/", view_func=Misspelt.as_view("view"))
