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
