"""How a request is called in log lines and reports."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.django.names import RequestName


def test_request_without_a_view_is_named_by_its_path() -> None:
    """Where no view was found yet there is the path, and never the query."""
    request = RequestFactory().get("/some/?token=s3cret")
    assert str(RequestName(request)) == "GET /some/"


def test_line_break_in_a_path_forges_no_log_line() -> None:
    """The name is one line, whatever the client has asked for."""
    request = RequestFactory().get("/a%0Adefault: all is well")
    assert str(RequestName(request)) == r"GET /a\ndefault: all is well"


def test_name_of_a_request_that_is_gone_says_so() -> None:
    """A name does not keep its request."""
    name = RequestName(RequestFactory().get("/"))
    assert str(name) == "a request that is over"


def test_connection_taken_before_the_view_is_known_is_named_after_it(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A middleware takes the connection; the report says which view is to blame."""
    uses_redis = "tests.django_wing.project.middleware.uses_redis"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, uses_redis]
    client.get("/dirty/")
    assert caplog.messages[0].endswith("by GET /dirty/ (tests.django_wing.project.views.dirty)")


def test_request_goes_without_the_garbage_collector() -> None:
    """A request has a client that is named after it, and this is no circle."""

    def get_response(request: Any) -> HttpResponse:
        request.redis.ping()
        return HttpResponse()

    gc.disable()
    try:
        request = RequestFactory().get("/")
        RedisPoolMiddleware(get_response)(request)
        gone = weakref.ref(request)
        del request
        assert gone() is None
    finally:
        gc.enable()


def kind_after(client: Client, path: str, method: str = "GET") -> str:
    """Ask for a page, and return the kind of its request, as middleware sees it afterwards."""
    request = client.generic(method, path).wsgi_request
    return RequestName(request).kind


@pytest.mark.urls("tests.django_wing.project.urls_routed")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/users/7/", "GET /users/<int:number>/ (tests.django_wing.project.urls_routed.user)"),
        ("/tokens/s3cret/", "GET /tokens/(?P<token>\\w+)/ (tests.django_wing.project"),
        ("/^7/", "GET ^(?P<number>\\d+)/$ (tests.django_wing.project.urls_routed.user)"),
        ("/class/", "GET /class/ (tests.django_wing.project.views.DirtyView)"),
        ("/nowhere/s3cret/", "GET without a view"),
    ],
)
def test_requests_of_a_view_are_of_one_kind(client: Client, path: str, kind: str) -> None:
    """By its route: the path has ids and tokens in it."""
    path = path.replace("^", "")
    assert kind_after(client, path).startswith(kind)
    assert "s3cret" not in kind_after(client, path)


def test_method_that_a_client_has_made_up_is_no_kind_of_its_own(client: Client) -> None:
    """Otherwise each visitor could fill the list of kinds."""
    assert kind_after(client, "/quiet/", "MADEUP").startswith("an odd method /quiet/ (")


def test_kind_before_there_is_a_view_is_one_for_all() -> None:
    """A middleware may have the connection; the path says too much."""
    first, second = RequestFactory().get("/users/7/"), RequestFactory().get("/users/8/")
    assert RequestName(first).kind == RequestName(second).kind == "GET without a view"


def test_kind_of_a_request_that_is_gone_says_so() -> None:
    """It has no view any more that it could be told by."""
    name = RequestName(RequestFactory().get("/"))
    assert name.kind == "a request that is over"
