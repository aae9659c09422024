"""What decorators say of views: read once, named in errors, and put together when nested."""

from __future__ import annotations

import re
from inspect import signature
from typing import Any

import pytest

from redis_pool_ext import ConfigError, Priority
from redis_pool_ext.scope import Scope
from redis_pool_ext.web.request_policy import RequestPolicy
from redis_pool_ext.web.view_decorators import make_decorators
from redis_pool_ext.web.view_policy import ViewPolicy, decorated, mark, policy_of


def required(**arguments: object) -> ViewPolicy:
    return ViewPolicy.required(
        **{"alias": None, "budget": None, "priority": None, "eager": True, **arguments}
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"alias": 7}, r"@redis_required\(alias=...\): 7 is not a text.*alias='default'"),
        ({"budget": "1"}, r"@redis_required\(budget=...\): '1' is not a number of seconds; it is"),
        ({"budget": 0}, r"@redis_required\(budget=...\): 0 is not a time.*above 0"),
        ({"budget": True}, r"@redis_required\(budget=...\): True is not a number"),
        ({"priority": "hihg"}, r"@redis_required\(priority=...\): 'hihg'.*did you mean 'high'"),
        ({"eager": 1}, r"@redis_required\(eager=...\): 1 is no yes or no; write True"),
    ],
)
def test_wrong_argument_is_named_with_its_value_and_a_way_out(arguments, said):
    """As the view is decorated."""
    with pytest.raises(ConfigError, match=said):
        required(**arguments)


@pytest.mark.parametrize("default", [list, lambda: "none"])
def test_default_that_would_have_to_be_called_is_refused(default):
    """It would be what reads return, and found out when Redis is down."""
    with pytest.raises(ConfigError, match=r"@redis_optional\(default=...\): .* default=\[\]"):
        ViewPolicy.optional(default=default, alias=None, budget=None, priority=None)


def test_alias_that_was_left_out_is_told():
    """`@redis_alias` without its argument has the view there."""
    with pytest.raises(
        ConfigError, match=r"@redis_alias: .*function is not a text.*redis_alias\('"
    ):
        ViewPolicy.on(test_alias_that_was_left_out_is_told)


def test_all_wrong_arguments_are_told_at_once():
    """Nobody corrects them one by one."""
    with pytest.raises(ConfigError) as caught:
        required(alias=7, budget=-1, priority="urgent", eager=None)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("view", [0, "reports", ViewPolicy])
def test_what_is_no_view_is_refused(view):
    """A positional argument, or a class, which the framework would call as if it were a view."""
    with pytest.raises(ConfigError, match=r"@redis_required: .* is no view; .*method|have names"):
        decorated("@redis_required", lambda view: view, view)


def test_inner_policy_wins_and_the_outer_one_fills_in():
    """What the inner one says nothing of holds as before."""
    outer = ViewPolicy.optional(default=0, alias="reports", budget=2, priority="low")
    inner = required(budget=1).within(outer)
    assert (inner.alias, inner.budget, inner.priority) == ("reports", 1, Priority.LOW)
    assert (inner.eager, inner.fallback) == (True, False)
    alias = ViewPolicy.on("other").within(outer)
    assert (alias.alias, alias.eager, alias.fallback) == ("other", False, outer.fallback)


def test_mark_of_two_decorators_is_that_of_the_inner_within_the_outer():
    """Whoever looks at the view finds what will hold."""

    def view() -> None: ...

    mark(mark(view, ViewPolicy.on("inner")), required(alias="outer"))
    policy = policy_of(view)
    assert policy is not None
    assert (policy.alias, policy.eager) == ("inner", True)


def test_limit_reaches_the_scope():
    """Budget and priority, and None leaves what is there."""
    scope = Scope()
    required(budget=1.5, priority="high").limit(scope)
    required().limit(scope)
    assert scope.budget is not None
    assert (scope.budget.seconds, scope.priority) == (1.5, Priority.HIGH)


def test_settings_for_all_requests_have_defaults():
    """No budget, and nothing is taken before it is used."""
    policy = RequestPolicy.read({}.get)
    assert policy == RequestPolicy(seconds=None, eager=False)
    assert policy.new_budget() is None


def test_each_request_has_a_budget_of_its_own():
    """What one has spent is not missing to the next one."""
    policy = RequestPolicy.read({"REDIS_POOL_BUDGET": 2}.get)
    first, second = policy.new_budget(), policy.new_budget()
    assert first is not None
    assert first is not second
    assert first.seconds == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"REDIS_POOL_BUDGET": 0}, r"E015 <REDIS_POOL_BUDGET> 0 is not a time.*or None"),
        ({"REDIS_POOL_BUDGET": "2"}, r"E015 <REDIS_POOL_BUDGET> '2' is not a number"),
        ({"REDIS_POOL_EAGER": None}, r"E016 <REDIS_POOL_EAGER> None is no yes or no; write True"),
    ],
)
def test_wrong_setting_has_an_id_and_a_way_out(settings, said):
    """The name is as the framework calls it."""
    with pytest.raises(ConfigError) as caught:
        RequestPolicy.read(settings.get, lambda name: f"<{name}>")
    (problem,) = caught.value.problems
    text = f"{problem.code} {problem.path} {problem.message}; {problem.hint}"
    assert re.search(said, text), text


def test_decorators_of_a_wing_are_its_own_to_help_and_have_their_arguments():
    """They are said once, and look as if they were written there."""
    made: Any = make_decorators(lambda policy: lambda view: mark(view, policy), "shop.wing")
    assert [each.__name__ for each in made] == ["redis_alias", "redis_required", "redis_optional"]
    for each in made:
        assert (each.__module__, each.__qualname__) == ("shop.wing", each.__name__)
        assert "ConfigError" in each.__doc__
    alias, required, optional = made
    assert list(signature(alias).parameters) == ["alias"]
    assert list(signature(required).parameters) == ["view", "alias", "budget", "priority", "eager"]
    assert list(signature(optional).parameters) == [
        "view",
        "default",
        "alias",
        "budget",
        "priority",
    ]
